//! [`Rooms`]: who is where right now, and the way to everybody in a room.
//!
//! Nothing here is stored: what was said is in the log, and who is here is only true while it is. A
//! room exists from the first visit to 5 s after the last.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::Local;
use shared::error::Error;
use tokio::{
    runtime::Handle,
    sync::broadcast,
    task::AbortHandle,
    time::{Instant, sleep},
};

use crate::{
    event::Event,
    input::RoomName,
    log::Message,
    session::{Connected, User, UserId},
};

/// How many rooms there can be somebody in. Each has a channel of `BEHIND` places.
const MAX_ROOMS: usize = 1_000;

/// How many events a reader may be behind before it has to read the log instead.
const BEHIND: usize = 256;

/// How long somebody may be away without having left: long enough to reload a page, to change the
/// network, and to come back with the next long poll.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// How often somebody's typing is told at most.
const TYPING: Duration = Duration::from_secs(1);

/// The rooms that somebody is in. Clones are handles to the same ones.
#[derive(Clone)]
pub(crate) struct Rooms {
    live: Arc<Mutex<Live>>,
    /// How many connections a user may have.
    connections: usize,
    /// How many events a reader may be behind.
    behind: usize,
}

struct Live {
    rooms: HashMap<RoomName, Room>,
    /// The version of the roster that changed last. It counts on from the time in milliseconds: whoever
    /// comes back after a restart has none that is right by chance.
    version: u64,
}

struct Room {
    events: broadcast::Sender<Arc<Event>>,
    people: HashMap<UserId, Person>,
    version: u64,
    /// The roster as an event, until somebody comes or goes.
    roster: Option<Arc<Event>>,
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
    pub(crate) fn new(connections: usize) -> Self {
        Self::with_capacity(connections, BEHIND)
    }

    pub(crate) fn with_capacity(connections: usize, behind: usize) -> Self {
        let live = Live {
            rooms: HashMap::new(),
            version: u64::try_from(Local::now().timestamp_millis()).unwrap_or_default(),
        };
        Self {
            live: Arc::new(Mutex::new(live)),
            connections,
            behind,
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection of `user` to the room, from now until the visit is dropped.
    pub(crate) fn enter(&self, name: &RoomName, user: &Arc<User>) -> Result<Visit, Error> {
        let connected = user.connect(self.connections).ok_or(Error::TooMany(
            "You have too many connections open. Close one of your other tabs.",
            GRACE,
        ))?;
        let mut live = self.live();
        if live.rooms.len() >= MAX_ROOMS {
            // Those that somebody has just gone from have to make place.
            live.rooms.retain(|_, room| room.is_visited());
        }
        if live.rooms.len() >= MAX_ROOMS && !live.rooms.contains_key(name) {
            let sentence = "There are too many rooms open. Choose one that somebody is in.";
            return Err(Error::Unavailable(sentence));
        }
        let Live { rooms, version } = &mut *live;
        let room = rooms.entry(name.clone()).or_insert_with(|| Room {
            events: broadcast::channel(self.behind).0,
            people: HashMap::new(),
            version: *version,
            roster: None,
        });
        room.arrive(user, version);
        Ok(Visit {
            events: room.events.subscribe(),
            rooms: self.clone(),
            name: name.clone(),
            connected,
        })
    }

    /// Sends a message that has been stored to those who are in its room.
    pub(crate) fn publish(&self, name: &RoomName, message: &Message) {
        let events = self.live().rooms.get(name).map(|room| room.events.clone());
        if let Some(events) = events {
            // An error means that nobody listens any more.
            events.send(Arc::new(Event::message(message))).ok();
        }
    }

    /// Tells the others in the room that `user`, who is in it, is typing; now and then is enough.
    pub(crate) fn typing(&self, name: &RoomName, user: &User) {
        let mut live = self.live();
        let Some(room) = live.rooms.get_mut(name) else {
            return;
        };
        let Some(person) = room.people.get_mut(&user.id) else {
            return;
        };
        if person.typed.is_some_and(|last| last.elapsed() < TYPING) {
            return;
        }
        person.typed = Some(Instant::now());
        let typing = Event::typing(user.id, user.name.as_str());
        room.events.send(Arc::new(typing)).ok();
    }

    /// Takes a connection away. If it was the user's last one, the user has left after `GRACE`.
    fn disconnect(&self, name: &RoomName, user: UserId) {
        let mut live = self.live();
        let room = live.rooms.get_mut(name);
        let Some(person) = room.and_then(|room| room.people.get_mut(&user)) else {
            return;
        };
        person.connections -= 1;
        // Without a runtime the process is ending, and there is nobody to tell.
        let (0, Ok(runtime)) = (person.connections, Handle::try_current()) else {
            return;
        };
        let (rooms, name) = (self.clone(), name.clone());
        let leaving = runtime.spawn(async move {
            sleep(GRACE).await;
            rooms.leave(&name, user);
        });
        person.gone = Some((Instant::now(), leaving.abort_handle()));
    }

    /// Tells that `user` has left, unless a connection has come in the meantime.
    fn leave(&self, name: &RoomName, user: UserId) {
        let mut live = self.live();
        let Live { rooms, version } = &mut *live;
        let Some(room) = rooms.get_mut(name) else {
            return;
        };
        let gone = |person: &Person| {
            let since = person.gone.as_ref().map(|(since, _)| since.elapsed());
            since.is_some_and(|since| since >= GRACE)
        };
        if !room.people.get(&user).is_some_and(gone) {
            return;
        }
        if let Some(person) = room.people.remove(&user) {
            let name = person.user.name.as_str();
            room.changed(version, |version| Event::left(version, name));
        }
        if room.people.is_empty() {
            rooms.remove(name);
        }
    }
}

impl Room {
    fn is_visited(&self) -> bool {
        self.people.values().any(|person| person.connections > 0)
    }

    /// Counts a connection of `user`, and tells the others if it is the first.
    fn arrive(&mut self, user: &Arc<User>, version: &mut u64) {
        let person = self.people.entry(user.id).or_insert_with(|| Person {
            user: Arc::clone(user),
            connections: 0,
            gone: None,
            typed: None,
        });
        person.connections += 1;
        match person.gone.take() {
            Some((_, leaving)) => leaving.abort(),
            None if person.connections == 1 => {
                self.changed(version, |version| {
                    Event::joined(version, user.name.as_str())
                });
            }
            None => {}
        }
    }

    /// Somebody came or went: tells it as an event of the next version.
    fn changed(&mut self, version: &mut u64, event: impl FnOnce(u64) -> Event) {
        *version += 1;
        self.version = *version;
        self.roster = None;
        self.events.send(Arc::new(event(self.version))).ok();
    }

    /// Who is here, made once for as long as nobody comes or goes.
    fn roster(&mut self) -> Arc<Event> {
        let roster = self.roster.get_or_insert_with(|| {
            let names = self.people.values().map(|person| person.user.name.as_str());
            let mut names: Vec<_> = names.collect();
            names.sort_unstable();
            Arc::new(Event::roster(self.version, &names))
        });
        Arc::clone(roster)
    }
}

/// A connection of somebody to a room. To leave is to drop it.
pub(crate) struct Visit {
    /// What happens in the room from the moment of entering on.
    pub(crate) events: broadcast::Receiver<Arc<Event>>,
    pub(crate) name: RoomName,
    rooms: Rooms,
    connected: Connected,
}

impl Visit {
    pub(crate) fn user(&self) -> &Arc<User> {
        &self.connected.0
    }

    /// Who is here now.
    pub(crate) fn roster(&self) -> Option<Arc<Event>> {
        let mut live = self.rooms.live();
        live.rooms.get_mut(&self.name).map(Room::roster)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.rooms.disconnect(&self.name, self.connected.0.id);
    }
}

#[cfg(test)]
mod tests;
