//! [`Rooms`]: who is where right now, and the way to everybody in a room.
//!
//! Nothing here is stored: what was said is in the log, and who is here is only true while it is. A
//! room exists from the first visit to 5 s after the last, or shorter if its place is needed.

#[cfg(feature = "redis")]
pub(crate) mod redis;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering};
use std::time::Duration;

use chrono::Local;
use shared::error::Error;
use shared::fan_out::{FanOut, Listener};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::event::Event;
use crate::input::RoomName;
use crate::log::Message;
use crate::session::{User, UserId, now};

/// How many rooms there can be somebody in. Each keeps `BEHIND` events for each thread that has
/// readers of it.
const MAX_ROOMS: usize = 1_000;

/// How many events a reader may be behind before it has to read the log instead.
pub(crate) const BEHIND: usize = 256;

/// How long somebody may be away without having left: long enough to reload a page, to change the
/// network, and to come back with the next long poll.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// How often somebody's typing is told at most.
const TYPING: Duration = Duration::from_secs(1);

/// The rooms that somebody is in. Clones are handles to the same ones.
#[derive(Clone)]
pub(crate) struct Rooms {
    live: Arc<Mutex<HashMap<RoomName, Room>>>,
    /// How many connections a user may have.
    connections: usize,
    /// How many events a reader may be behind.
    behind: usize,
    /// The way to the other servers, if there are any.
    #[cfg(feature = "redis")]
    link: Option<redis::Link>,
}

struct Room {
    events: FanOut<Arc<Event>>,
    people: HashMap<UserId, Person>,
    /// The version of the roster. It begins with the time in microseconds, so that one from before a
    /// restart, or from before the room was empty, is never taken for a newer one.
    version: u64,
    /// The roster as an event, until somebody comes or goes.
    roster: Option<Arc<Event>>,
    /// Who is here on all servers, if there are others.
    #[cfg(feature = "redis")]
    everywhere: Option<redis::Everywhere>,
}

/// Somebody who is in a room.
struct Person {
    user: Arc<User>,
    connections: usize,
    /// When the last connection went, and what will say that the user has left.
    gone: Option<(Instant, AbortHandle)>,
    typed: Option<Instant>,
}

impl Rooms {
    /// No rooms yet; a user may have `connections` in all of them together.
    pub(crate) fn new(connections: usize, behind: usize) -> Self {
        Self {
            live: Arc::default(),
            connections,
            behind,
            #[cfg(feature = "redis")]
            link: None,
        }
    }

    fn live(&self) -> MutexGuard<'_, HashMap<RoomName, Room>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection of `user` to the room, from now until the visit is dropped.
    pub(crate) fn enter(&self, name: &RoomName, user: &Arc<User>) -> Result<Visit, Error> {
        let mut rooms = self.live();
        if user.connections.load(Ordering::Relaxed) >= self.connections {
            let sentence = "You have too many connections open. Close one of your other tabs.";
            return Err(Error::TooMany(sentence, GRACE));
        }
        if rooms.len() >= MAX_ROOMS {
            // Rooms that everybody has left, though less than `GRACE` ago, make place.
            rooms.retain(|_, room| room.people.values().any(|person| person.connections > 0));
        }
        if rooms.len() >= MAX_ROOMS && !rooms.contains_key(name) {
            let sentence = "There are too many rooms open. Choose one that somebody is in.";
            return Err(Error::Unavailable(sentence));
        }
        let room = rooms.entry(name.clone()).or_insert_with(|| Room {
            events: FanOut::new(self.behind),
            people: HashMap::new(),
            version: Local::now().timestamp_micros().unsigned_abs(),
            roster: None,
            #[cfg(feature = "redis")]
            everywhere: self.link.clone().map(redis::Everywhere::new),
        });
        user.connections.fetch_add(1, Ordering::Relaxed);
        room.arrive(user);
        Ok(Visit {
            events: room.events.listen(),
            room: name.clone(),
            user: Arc::clone(user),
            rooms: self.clone(),
        })
    }

    /// Sends a message that has been stored to those who are in its room.
    pub(crate) fn publish(&self, name: &RoomName, message: &Message) {
        // Before the lock, which all rooms share.
        let event = Event::message(message);
        if let Some(room) = self.live().get(name) {
            room.events.send(&event);
        }
    }

    /// Tells the others in the room that `user`, who is in it, is typing; now and then is enough.
    pub(crate) fn typing(&self, name: &RoomName, user: &User) {
        if let Some(room) = self.live().get_mut(name)
            && let Some(person) = room.people.get_mut(&user.id)
            && person.typed.is_none_or(|last| last.elapsed() >= TYPING)
        {
            person.typed = Some(Instant::now());
            #[cfg(feature = "redis")]
            if let Some(link) = &self.link {
                return link.typing(name, user);
            }
            room.events.send(&Event::typing(user.id, user.name()));
        }
    }

    /// Tells that `user` has left, unless a connection has come in the meantime.
    fn leave(&self, name: &RoomName, user: &User) {
        let mut rooms = self.live();
        if let Some(room) = rooms.get_mut(name)
            && let Some(person) = room.people.get(&user.id)
            && let Some((since, _)) = person.gone
            && since.elapsed() >= GRACE
        {
            room.people.remove(&user.id);
            room.changed("left", user);
            if room.people.is_empty() {
                rooms.remove(name);
            }
        }
    }
}

impl Room {
    /// Counts a connection of `user`, and tells the others if there was none, nor `GRACE` ago.
    fn arrive(&mut self, user: &Arc<User>) {
        let person = self.people.entry(user.id).or_insert_with(|| Person {
            user: Arc::clone(user),
            connections: 0,
            gone: None,
            typed: None,
        });
        person.connections += 1;
        match person.gone.take() {
            Some((_, leaving)) => leaving.abort(),
            None if person.connections == 1 => self.changed("joined", user),
            None => {}
        }
    }

    /// Tells that somebody came or went; that makes another roster.
    fn changed(&mut self, event: &str, user: &User) {
        #[cfg(feature = "redis")]
        if let Some(everywhere) = &self.everywhere {
            return everywhere.link.changed.notify_one();
        }
        self.version += 1;
        self.roster = None;
        self.events
            .send(&Event::moved(event, self.version, user.name()));
    }

    /// Who is here, made once for as long as nobody comes or goes.
    fn roster(&mut self) -> Arc<Event> {
        let roster = self.roster.get_or_insert_with(|| {
            let names = self.people.values().map(|person| person.user.name());
            let mut names: Vec<_> = names.collect();
            names.sort_unstable();
            Event::roster(self.version, &names)
        });
        Arc::clone(roster)
    }
}

/// A connection of somebody to a room. To leave is to drop it.
pub(crate) struct Visit {
    /// What happens in the room from the moment of entering on.
    pub(crate) events: Listener<Arc<Event>>,
    pub(crate) room: RoomName,
    pub(crate) user: Arc<User>,
    rooms: Rooms,
}

impl Visit {
    /// Who is here now, if that is known.
    pub(crate) fn roster(&self) -> Option<Arc<Event>> {
        #[cfg(feature = "redis")]
        if self.rooms.link.is_some() {
            return self.rooms.roster_everywhere(&self.room);
        }
        self.rooms.live().get_mut(&self.room).map(Room::roster)
    }
}

impl Drop for Visit {
    /// Takes a connection away. If it was the user's last one here, the user has left after `GRACE`.
    fn drop(&mut self) {
        self.user.used.store(now(), Ordering::Relaxed);
        self.user.connections.fetch_sub(1, Ordering::Release);
        if let Some(room) = self.rooms.live().get_mut(&self.room)
            && let Some(person) = room.people.get_mut(&self.user.id)
        {
            person.connections -= 1;
            // Without a runtime the process is ending, and there is nobody to tell.
            if let (0, Ok(runtime)) = (person.connections, Handle::try_current()) {
                let (rooms, room) = (self.rooms.clone(), self.room.clone());
                let user = Arc::clone(&self.user);
                let leaving = runtime.spawn(async move {
                    sleep(GRACE).await;
                    rooms.leave(&room, &user);
                });
                person.gone = Some((Instant::now(), leaving.abort_handle()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
