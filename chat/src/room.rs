//! [`Rooms`]: who is in which room, and how events reach everybody in a room.
//!
//! Nothing here is stored. Messages are in the log, and who is present depends on open connections only. A room exists
//! from its first connection until 5 s after its last one has closed, or until a new room needs its entry
//! in the map (`MAX_ROOMS`).
//!
//! There are two kinds of locks: one for the map of all rooms, and one for the members of each room. Both are held
//! only for a short time. A thread that needs both takes the lock of the map first, so no two threads wait for each
//! other.

mod cluster;
mod remote;
mod roster;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering};
use std::time::Duration;

use chrono::Utc;
use shared::broadcast::{Broadcast, Receiver};
use shared::error::Error;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::event::Event;
use crate::input::RoomName;
use crate::log::Message;
use crate::user::{User, UserId};
pub(crate) use cluster::Cluster;
pub(crate) use roster::{ChangeKind, PresenceChange};
use roster::{Roster, Update};

/// How many rooms can have members at the same time, so that a flood of rooms does not fill the memory.
const MAX_ROOMS: usize = 1_000;

/// How many events a receiver may be behind. One that is further behind lags, and reads the log instead.
pub(crate) const EVENT_BUFFER: usize = 256;

/// How many bytes of events a room keeps for its slowest receiver, on each thread that has receivers: the memory of a
/// room has a limit even if its messages are long.
const EVENT_BUFFER_BYTES: usize = 64 * 1024;

/// How long a user without a connection stays in a room: long enough to reload a page, to change the network, or to
/// send the next long poll.
pub(crate) const LEAVE_DELAY: Duration = Duration::from_secs(5);

/// How long a newcomer waits for the roster in a cluster. If the store hangs, the client gets an error after that.
const ROSTER_TIMEOUT: Duration = Duration::from_secs(3);

/// The rooms that have members. Clones are handles to the same rooms.
#[derive(Clone)]
pub(crate) struct Rooms {
    by_name: Arc<Mutex<HashMap<RoomName, Arc<Room>>>>,
    /// How many connections a user may have, in all rooms together.
    max_connections: usize,
    /// How many events a receiver may be behind.
    event_buffer: usize,
    /// The other servers of the same chat; `None` if this server is alone.
    cluster: Option<Arc<dyn Cluster>>,
}

struct Room {
    name: RoomName,
    events: Broadcast<Arc<Event>>,
    presence: Mutex<Presence>,
}

/// The members on this server, and the roster of all servers. One lock protects both.
struct Presence {
    /// The members on this server: users who have a connection, or had one less than `LEAVE_DELAY` ago.
    members: HashMap<UserId, Member>,
    /// The members on all servers together.
    roster: Roster,
}

/// A user who is in a room on this server.
struct Member {
    user: Arc<User>,
    connections: usize,
    /// Set while there is no connection: when the last one closed, and the task that will remove the user.
    leaving: Option<(Instant, AbortHandle)>,
}

impl Rooms {
    /// Creates the rooms of a server that is alone. A user may have `max_connections` in all rooms together, and a
    /// receiver may be `event_buffer` events behind.
    pub(crate) fn new(max_connections: usize, event_buffer: usize) -> Self {
        Self {
            by_name: Arc::default(),
            max_connections,
            event_buffer,
            cluster: None,
        }
    }

    /// Connects the rooms to the other servers of the same chat, before anybody can join.
    pub(crate) fn in_cluster(self, cluster: Arc<dyn Cluster>) -> Self {
        Self {
            cluster: Some(cluster),
            ..self
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomName, Arc<Room>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, name: &RoomName) -> Option<Arc<Room>> {
        self.lock().get(name).cloned()
    }

    fn all(&self) -> Vec<Arc<Room>> {
        self.lock().values().cloned().collect()
    }

    /// Adds a connection of `user` to a room, until the returned [`Membership`] is dropped. Waits until the roster
    /// contains the user. On a server that is alone, that is the case immediately.
    ///
    /// 429 if the user has too many connections; 503 if there are too many rooms, or if the roster does not arrive.
    pub(crate) async fn join(
        &self,
        name: &RoomName,
        user: &Arc<User>,
    ) -> Result<Membership, Error> {
        let mut membership = self.connect(name, user)?;
        let roster_is_known = async {
            while !membership.room.lock().roster.contains(user.id) {
                // A change of the roster is an event, too. Messages that are dropped here are in the log.
                membership.events.recv().await.ok();
            }
        };
        let late = |_| {
            let message = "The list of people in this room cannot be read. Try again later.";
            Error::service_unavailable(message)
        };
        timeout(ROSTER_TIMEOUT, roster_is_known)
            .await
            .map_err(late)?;
        Ok(membership)
    }

    /// Does what `join` does before it waits.
    fn connect(&self, name: &RoomName, user: &Arc<User>) -> Result<Membership, Error> {
        // Held until the user is in the room, so that no other thread removes the empty room in between.
        let mut rooms = self.lock();
        if user.connections.load(Ordering::Relaxed) >= self.max_connections {
            let message = "You have too many connections open. Close one of your other tabs.";
            return Err(Error::too_many_requests(message, LEAVE_DELAY).because("connections"));
        }
        if rooms.len() >= MAX_ROOMS {
            // Removes the rooms whose members have no connection and will leave soon.
            rooms.retain(|_, room| room.has_connections());
        }
        if rooms.len() >= MAX_ROOMS && !rooms.contains_key(name) {
            let message = "There are too many rooms. Choose one that already has members.";
            return Err(Error::service_unavailable(message).because("full"));
        }
        let room = match rooms.entry(name.clone()) {
            Entry::Occupied(entry) => Arc::clone(entry.get()),
            Entry::Vacant(entry) => Arc::clone(entry.insert(Arc::new(self.new_room(name)))),
        };
        user.connections.fetch_add(1, Ordering::Relaxed);
        let mut presence = room.lock();
        self.add_connection(&room, &mut presence, user);
        // Under the same lock, so that no event is missed. The user's own `joined` was sent before.
        let events = room.events.subscribe();
        drop(presence);
        Ok(Membership {
            events,
            room,
            user: Arc::clone(user),
            rooms: self.clone(),
        })
    }

    fn new_room(&self, name: &RoomName) -> Room {
        // The first version is the time. So a version from before a restart of the server, or from before the room
        // was empty, is always older.
        let version = Utc::now().timestamp_micros().unsigned_abs();
        let roster = match self.cluster {
            None => Roster::empty(version),
            Some(_) => Roster::unknown(),
        };
        Room {
            name: name.clone(),
            events: Broadcast::with_byte_budget(self.event_buffer, EVENT_BUFFER_BYTES),
            presence: Mutex::new(Presence {
                members: HashMap::new(),
                roster,
            }),
        }
    }

    /// Counts a new connection of `user`. The first one announces `joined`, but not if the user was about
    /// to leave.
    fn add_connection(&self, room: &Room, presence: &mut Presence, user: &Arc<User>) {
        let member = presence.members.entry(user.id).or_insert_with(|| Member {
            user: Arc::clone(user),
            connections: 0,
            leaving: None,
        });
        member.connections += 1;
        match member.leaving.take() {
            Some((_, task)) => task.abort(),
            None if member.connections == 1 => {
                self.change_roster(room, presence, ChangeKind::Joined, user);
            }
            None => {}
        }
    }

    /// Removes a connection of `user`. After the last one, the user leaves when `LEAVE_DELAY` is over.
    fn remove_connection(&self, room: &Arc<Room>, user: &Arc<User>) {
        let mut presence = room.lock();
        let Some(member) = presence.members.get_mut(&user.id) else {
            return;
        };
        member.connections -= 1;
        if member.connections > 0 {
            return;
        }
        // Without a runtime the process is ending, and nobody needs a `left` any more.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (rooms, room, user) = (self.clone(), Arc::clone(room), Arc::clone(user));
        let task = runtime.spawn(async move {
            sleep(LEAVE_DELAY).await;
            rooms.leave(&room, &user);
        });
        member.leaving = Some((Instant::now(), task.abort_handle()));
    }

    /// Removes `user` from the room, and the room if it is empty. Does nothing if the user has a connection again.
    fn leave(&self, room: &Arc<Room>, user: &User) {
        let mut rooms = self.lock();
        let mut presence = room.lock();
        let member = presence.members.get(&user.id);
        let leaving = member.and_then(|member| member.leaving.as_ref());
        if leaving.is_none_or(|(since, _)| since.elapsed() < LEAVE_DELAY) {
            return;
        }
        presence.members.remove(&user.id);
        self.change_roster(room, &mut presence, ChangeKind::Left, user);
        let is_listed = rooms
            .get(&room.name)
            .is_some_and(|listed| Arc::ptr_eq(listed, room));
        if presence.members.is_empty() && is_listed {
            rooms.remove(&room.name);
        }
    }

    /// Applies a change of the members on this server to the roster. In a cluster the change is reported instead, and
    /// arrives later as a change of the roster of all servers (`apply_presence_change`).
    fn change_roster(&self, room: &Room, presence: &mut Presence, kind: ChangeKind, user: &User) {
        if let Some(cluster) = &self.cluster {
            return cluster.members_changed();
        }
        let change = PresenceChange {
            version: presence.roster.next_version(),
            kind,
            user: user.id,
            name: user.name().to_owned(),
        };
        let update = presence.roster.apply(change);
        room.announce(update);
    }

    /// Sends a stored message to all readers of its room on this server. A reader drops what is private to others.
    pub(crate) fn publish(&self, name: &RoomName, message: &Message) {
        if let Some(room) = self.find(name) {
            room.send(&Event::message(message));
        }
    }

    /// Sends `typing` to the room if `user` is a member, but at most once in `TYPING_INTERVAL`.
    pub(crate) fn typing(&self, name: &RoomName, user: &User) {
        if let Some(cluster) = &self.cluster {
            // The user may be connected to another server only, so the store checks who is a member.
            if user.try_typing() {
                cluster.typing(name, user);
            }
            return;
        }
        if let Some(room) = self.find(name) {
            let is_member = room.lock().members.contains_key(&user.id);
            if is_member && user.try_typing() {
                room.send(&Event::typing(user.id, user.name()));
            }
        }
    }
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_connections(&self) -> bool {
        let presence = self.lock();
        let mut members = presence.members.values();
        members.any(|member| member.connections > 0)
    }

    fn send(&self, event: &Arc<Event>) {
        self.events.send_sized(event, event.data_len());
    }

    /// Announces an update of the roster. The caller still has the lock, so that updates are announced in their order.
    /// Returns whether the roster is still known.
    fn announce(&self, update: Update) -> bool {
        match update {
            Update::Announce(event) => self.send(&event),
            Update::Unchanged => {}
            Update::Gap => return false,
        }
        true
    }
}

/// One open connection of a user to a room; a user with two tabs has two. Dropping it removes the connection from the
/// room.
pub(crate) struct Membership {
    /// The events of the room since the connection was added.
    pub(crate) events: Receiver<Arc<Event>>,
    pub(crate) user: Arc<User>,
    room: Arc<Room>,
    rooms: Rooms,
}

impl Membership {
    pub(crate) fn room(&self) -> &RoomName {
        &self.room.name
    }

    /// Returns the events that lead from the version `known` of the roster to the current one; see
    /// [`Roster::events_since`].
    pub(crate) fn roster_since(&self, known: Option<u64>) -> Vec<Arc<Event>> {
        self.room.lock().roster.events_since(known)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.user.touch();
        self.user.connections.fetch_sub(1, Ordering::Release);
        self.rooms.remove_connection(&self.room, &self.user);
    }
}

#[cfg(test)]
mod tests;
