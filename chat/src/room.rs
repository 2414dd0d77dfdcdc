//! [`Rooms`]: who is in which room right now, and how events reach everybody in a room.
//!
//! Nothing here is stored. Messages are in the log, and presence is true only while it lasts. A room exists from its
//! first member until 5 s after its last one has gone, or shorter if another room needs the slot.

mod cluster;
mod remote;
mod roster;

use std::collections::HashMap;
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

/// How many rooms there can be with somebody in them. Each keeps up to `EVENT_BUFFER` events for each thread that
/// has receivers of it.
const MAX_ROOMS: usize = 1_000;

/// How many events a receiver may be behind before it has to read the log instead.
pub(crate) const EVENT_BUFFER: usize = 256;

/// How long a user may have no connection without having left: long enough to reload a page, to change the network,
/// and to come back with the next long poll.
pub(crate) const LEAVE_DELAY: Duration = Duration::from_secs(5);

/// The shortest time between two `typing` events of one user.
const TYPING_INTERVAL: Duration = Duration::from_secs(1);

/// How long a newcomer waits for the roster, if other servers have a part of it.
const ROSTER_TIMEOUT: Duration = Duration::from_secs(3);

/// The rooms that somebody is in. Clones are handles to the same rooms.
#[derive(Clone)]
pub(crate) struct Rooms {
    by_name: Arc<Mutex<HashMap<RoomName, Room>>>,
    /// How many connections a user may have, in all rooms together.
    max_connections: usize,
    /// How many events a receiver may be behind.
    event_buffer: usize,
    /// The other servers of the same chat; `None` if this server is alone.
    cluster: Option<Arc<dyn Cluster>>,
}

struct Room {
    events: Broadcast<Arc<Event>>,
    /// The users with a connection to this server, or who had one less than `LEAVE_DELAY` ago.
    members: HashMap<UserId, Member>,
    /// The users in the room, on all servers together.
    roster: Roster,
}

/// A user who is in a room on this server.
struct Member {
    user: Arc<User>,
    connections: usize,
    /// Set while there is no connection: since when, and the task that will take the user out of the room.
    leaving: Option<(Instant, AbortHandle)>,
    last_typing: Option<Instant>,
}

impl Rooms {
    /// Creates rooms without members, on a server that is alone. A user may have `max_connections` in all rooms
    /// together, and a receiver may be `event_buffer` events behind.
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

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomName, Room>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection of `user` to a room, until the returned guard is dropped. Waits until the roster is known
    /// with the user in it, which on a server that is alone is at once.
    pub(crate) async fn join(
        &self,
        name: &RoomName,
        user: &Arc<User>,
    ) -> Result<Membership, Error> {
        let mut membership = self.connect(name, user)?;
        let roster_is_known = async {
            while !self.roster_contains(name, user.id) {
                // A change of the roster is an event, too. Other events that are dropped here are in the log.
                membership.events.recv().await.ok();
            }
        };
        let late =
            |_| Error::service_unavailable("It is not known who is in this room. Come back later.");
        timeout(ROSTER_TIMEOUT, roster_is_known)
            .await
            .map_err(late)?;
        Ok(membership)
    }

    /// The first half of `join`, which does not wait.
    fn connect(&self, name: &RoomName, user: &Arc<User>) -> Result<Membership, Error> {
        let mut rooms = self.lock();
        if user.connections.load(Ordering::Relaxed) >= self.max_connections {
            let message = "You have too many connections open. Close one of your other tabs.";
            return Err(Error::too_many_requests(message, LEAVE_DELAY));
        }
        if rooms.len() >= MAX_ROOMS {
            // Rooms in which nobody has a connection any more give their slots away.
            rooms.retain(|_, room| room.members.values().any(|member| member.connections > 0));
        }
        if rooms.len() >= MAX_ROOMS && !rooms.contains_key(name) {
            let message = "There are too many rooms open. Choose one that somebody is in.";
            return Err(Error::service_unavailable(message));
        }
        let room = rooms.entry(name.clone()).or_insert_with(|| self.new_room());
        user.connections.fetch_add(1, Ordering::Relaxed);
        self.add_connection(room, user);
        Ok(Membership {
            // Under the same lock, so that no event is missed. The user's own `joined` comes before it.
            events: room.events.subscribe(),
            room: name.clone(),
            user: Arc::clone(user),
            rooms: self.clone(),
        })
    }

    fn new_room(&self) -> Room {
        // The version begins with the time, so that a version from before a restart of the server, or from before
        // the room was empty, is never taken for a newer one.
        let version = Utc::now().timestamp_micros().unsigned_abs();
        let roster = match self.cluster {
            None => Roster::empty(version),
            Some(_) => Roster::unknown(),
        };
        Room {
            events: Broadcast::new(self.event_buffer),
            members: HashMap::new(),
            roster,
        }
    }

    /// Counts a connection of `user`. The first one announces the user, unless the last one closed less than
    /// `LEAVE_DELAY` ago.
    fn add_connection(&self, room: &mut Room, user: &Arc<User>) {
        let member = room.members.entry(user.id).or_insert_with(|| Member {
            user: Arc::clone(user),
            connections: 0,
            leaving: None,
            last_typing: None,
        });
        member.connections += 1;
        match member.leaving.take() {
            Some((_, task)) => task.abort(),
            None if member.connections == 1 => self.members_changed(room, ChangeKind::Joined, user),
            None => {}
        }
    }

    /// Removes a connection of `user`. After the last one the user leaves, `LEAVE_DELAY` later.
    fn remove_connection(&self, name: &RoomName, user: &Arc<User>) {
        let mut rooms = self.lock();
        let room = rooms.get_mut(name);
        let Some(member) = room.and_then(|room| room.members.get_mut(&user.id)) else {
            return;
        };
        member.connections -= 1;
        if member.connections > 0 {
            return;
        }
        // Without a runtime the process is ending, and there is nobody left to tell.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (rooms, name, user) = (self.clone(), name.clone(), Arc::clone(user));
        let task = runtime.spawn(async move {
            sleep(LEAVE_DELAY).await;
            rooms.leave(&name, &user);
        });
        member.leaving = Some((Instant::now(), task.abort_handle()));
    }

    /// Takes `user` out of the room, unless a connection has come in the meantime.
    fn leave(&self, name: &RoomName, user: &User) {
        let mut rooms = self.lock();
        let Some(room) = rooms.get_mut(name) else {
            return;
        };
        let leaving = room
            .members
            .get(&user.id)
            .and_then(|member| member.leaving.as_ref());
        if leaving.is_none_or(|(since, _)| since.elapsed() < LEAVE_DELAY) {
            return;
        }
        room.members.remove(&user.id);
        self.members_changed(room, ChangeKind::Left, user);
        if room.members.is_empty() {
            rooms.remove(name);
        }
    }

    /// Applies a change of who is here on this server. In a cluster it is reported instead, and comes back as a
    /// change of the roster of all servers (`apply_presence`).
    fn members_changed(&self, room: &mut Room, kind: ChangeKind, user: &User) {
        if let Some(cluster) = &self.cluster {
            return cluster.members_changed();
        }
        let change = PresenceChange {
            version: room.roster.next_version(),
            kind,
            user: user.id,
            name: user.name().to_owned(),
        };
        room.apply(change);
    }

    /// Sends a message that has been stored to everybody in its room on this server.
    pub(crate) fn publish(&self, name: &RoomName, message: &Message) {
        // Encoded before the lock, which all rooms share.
        let event = Event::message(message);
        if let Some(room) = self.lock().get(name) {
            room.events.send(&event);
        }
    }

    /// Tells the others in the room that `user`, who is a member, is typing. Does so at most once in
    /// `TYPING_INTERVAL`.
    pub(crate) fn typing(&self, name: &RoomName, user: &User) {
        let mut rooms = self.lock();
        let Some(room) = rooms.get_mut(name) else {
            return;
        };
        let Some(member) = room.members.get_mut(&user.id) else {
            return;
        };
        let is_too_soon = |last: Instant| last.elapsed() < TYPING_INTERVAL;
        if member.last_typing.is_some_and(is_too_soon) {
            return;
        }
        member.last_typing = Some(Instant::now());
        match &self.cluster {
            Some(cluster) => cluster.typing(name, user),
            None => room.events.send(&Event::typing(user.id, user.name())),
        }
    }

    fn roster_contains(&self, name: &RoomName, user: UserId) -> bool {
        let rooms = self.lock();
        rooms
            .get(name)
            .is_some_and(|room| room.roster.contains(user))
    }

    fn roster(&self, name: &RoomName) -> Option<Arc<Event>> {
        self.lock().get_mut(name)?.roster.event()
    }
}

impl Room {
    /// Applies a change of the roster and announces it. Returns whether the roster is still known.
    fn apply(&mut self, change: PresenceChange) -> bool {
        let update = self.roster.apply(change);
        self.announce(update)
    }

    fn announce(&self, update: Update) -> bool {
        match update {
            Update::Announce(event) => self.events.send(&event),
            Update::Unchanged => {}
            Update::Gap => return false,
        }
        true
    }
}

/// A connection of a user to a room. Dropping it closes the connection.
pub(crate) struct Membership {
    /// What happens in the room from the moment of joining on.
    pub(crate) events: Receiver<Arc<Event>>,
    pub(crate) room: RoomName,
    pub(crate) user: Arc<User>,
    rooms: Rooms,
}

impl Membership {
    /// Returns who is in the room now, if that is known.
    pub(crate) fn roster(&self) -> Option<Arc<Event>> {
        self.rooms.roster(&self.room)
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
