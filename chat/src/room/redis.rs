//! Who is in a room when there are many servers, and how each hears of what happens on the others.
//!
//! A server tells Redis who is in which room on it, and hears from Redis who came to the
//! first of them, and who has gone from the last. It says every few seconds that it is alive; who was on a server
//! that does not has left.

mod tell;

use std::collections::{BTreeMap, HashMap};
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::RedisError;
use redis::aio::PubSub;
use serde::Deserialize;
use shared::error::Error;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use super::{Rooms, Visit};
use crate::event::Event;
use crate::input::RoomName;
use crate::log::redis::{Entry, message};
use crate::redis::Redis;
use crate::session::{User, UserId};

/// After how many seconds of silence a server is taken for dead, and Redis by a server.
const LEASE: u64 = 10;

/// How long a newcomer waits for the roster.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long to wait before Redis is asked again after it has failed.
const BACK_OFF: Duration = Duration::from_secs(1);

/// How many of those who are typing may wait to be told of.
const TYPISTS: usize = 1_000;

/// The way from the rooms to Redis.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// Somebody came to this server or went, or a roster has to be read.
    pub(super) changed: Arc<Notify>,
    /// Who is typing where, as JSON.
    typing: mpsc::Sender<String>,
}

impl Link {
    pub(super) fn typing(&self, room: &RoomName, user: &User) {
        let typist = serde_json::to_string(&(room.as_str(), user.id, user.name()));
        // If there are too many, some are not told of.
        typist.map(|typist| self.typing.try_send(typist)).ok();
    }
}

/// Who is in a room on all servers.
#[derive(Debug)]
pub(super) struct Everywhere {
    pub(super) link: Link,
    people: BTreeMap<UserId, String>,
    /// The version of the roster; 0 is not known.
    version: u64,
    /// The newest version that was heard of.
    heard: u64,
    /// The roster as an event, until somebody comes or goes.
    roster: Option<Arc<Event>>,
}

impl Everywhere {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            people: BTreeMap::new(),
            version: 0,
            heard: 0,
            roster: None,
        }
    }

    /// The roster, if it is known.
    pub(super) fn roster(&mut self) -> Option<Arc<Event>> {
        if self.version > 0 && self.roster.is_none() {
            let mut names: Vec<_> = self.people.values().map(String::as_str).collect();
            names.sort_unstable();
            self.roster = Some(Event::roster(self.version, &names));
        }
        self.roster.clone()
    }

    /// This is what Redis says, a user's id → on how many servers, and the name. Returns the roster.
    fn read(&mut self, version: u64, people: &HashMap<String, String>) -> Option<Arc<Event>> {
        if version < self.heard {
            // Somebody has moved since, or Redis has forgotten that: the next time it is taken as it is.
            self.heard = 0;
            self.forget();
            return None;
        }
        let person = |(id, value): (&String, &String)| {
            let (_, name) = value.split_once(' ')?;
            Some((id.parse().ok()?, name.to_owned()))
        };
        self.people = people.iter().filter_map(person).collect();
        (self.version, self.roster) = (version, None);
        self.roster()
    }

    /// Somebody came or went. Returns the event for it, unless it is old, or something before it was missed.
    fn moved(&mut self, moved: Moved) -> Option<Arc<Event>> {
        let Moved(_, version, event, id, name) = moved;
        let version = version.parse().ok()?;
        self.heard = self.heard.max(version);
        if self.version == 0 || version <= self.version {
            return None;
        }
        if version > self.version + 1 {
            self.forget();
            return None;
        }
        (self.version, self.roster) = (version, None);
        let told = Event::moved(&event, version, &name);
        let id = id.parse().ok()?;
        if event == "joined" {
            self.people.insert(id, name)
        } else {
            self.people.remove(&id)
        };
        Some(told)
    }

    /// The roster is not known any more.
    fn forget(&mut self) {
        (self.version, self.roster) = (0, None);
        self.link.changed.notify_one();
    }
}

/// What is published when somebody came or went: the room, the version of the roster after it, the event, who.
#[derive(Deserialize)]
struct Moved(String, String, String, String, String);

impl Visit {
    /// Waits until it is known who is here, on all servers, this one too.
    pub(crate) async fn knows_who_is_here(mut self) -> Result<Self, Error> {
        let known = async {
            while !self.rooms.sees(&self.room, self.user.id) {
                // That is an event, too. Whatever else comes is read from the log.
                self.events.recv().await.ok();
            }
        };
        let late = |_| Error::Unavailable("It is not known who is in this room. Come back later.");
        timeout(PATIENCE, known).await.map_err(late)?;
        Ok(self)
    }
}

/// Lets `rooms` know of each other's people, and what is said on any server.
pub(crate) async fn link(mut rooms: Rooms, redis: &Redis) -> Result<Rooms, RedisError> {
    let (typing, typists) = mpsc::channel(TYPISTS);
    let changed = Arc::default();
    rooms.link = Some(Link { changed, typing });
    // Before anybody can come.
    let subscription = subscribe(redis).await?;
    tokio::spawn(hear_all(rooms.clone(), redis.clone(), subscription));
    tokio::spawn(tell::tell_all(rooms.clone(), redis.clone(), typists));
    Ok(rooms)
}

async fn subscribe(redis: &Redis) -> Result<PubSub, RedisError> {
    redis
        .subscribe(&["chat:said", "chat:moved", "chat:typing", "chat:alive"])
        .await
}

/// Hears what is published, for as long as the server runs.
async fn hear_all(rooms: Rooms, redis: Redis, first: PubSub) {
    let mut subscription = Some(first);
    loop {
        if let Some(subscription) = subscription.take() {
            rooms.missed();
            let mut news = subscription.into_on_message();
            // A server that is alive says so, this one too: silence is a connection that is gone.
            while let Ok(Some(news)) = timeout(Duration::from_secs(LEASE), news.next()).await {
                let outcome = rooms.hear(news.get_channel_name(), news.get_payload_bytes());
                if let Err(error) = outcome {
                    log::error!("from Redis: {error}");
                }
            }
            log::error!("Redis tells nothing any more; listening anew");
        }
        sleep(BACK_OFF).await;
        subscription = subscribe(&redis).await.ok();
    }
}

impl Rooms {
    /// Who is in a room on all servers, if that is known.
    pub(super) fn roster_everywhere(&self, name: &RoomName) -> Option<Arc<Event>> {
        self.live().get_mut(name)?.everywhere.as_mut()?.roster()
    }

    /// Whether the roster of the room is known, with this user in it; without other servers it always is.
    fn sees(&self, name: &RoomName, user: UserId) -> bool {
        let rooms = self.live();
        let all = rooms.get(name).and_then(|room| room.everywhere.as_ref());
        all.is_none_or(|all| all.version > 0 && all.people.contains_key(&user))
    }

    /// Nobody knows what was published lately.
    fn missed(&self) {
        for room in self.live().values_mut() {
            room.events.send(&Event::missed());
            if let Some(all) = &mut room.everywhere {
                all.forget();
            }
        }
    }

    /// Tells those who are here what was published.
    fn hear(&self, channel: &str, payload: &[u8]) -> Result<(), Box<dyn StdError + Send + Sync>> {
        match channel {
            "chat:said" => {
                let (room, entry): (String, Entry) = serde_json::from_slice(payload)?;
                if let Some(message) = message(entry) {
                    self.publish(&RoomName::parse(&room)?, &message);
                }
            }
            "chat:moved" => {
                let moved: Moved = serde_json::from_slice(payload)?;
                if let Some(room) = self.live().get_mut(&RoomName::parse(&moved.0)?)
                    && let Some(all) = &mut room.everywhere
                    && let Some(event) = all.moved(moved)
                {
                    room.events.send(&event);
                }
            }
            "chat:typing" => {
                let (room, user, name): (String, UserId, String) = serde_json::from_slice(payload)?;
                if let Some(room) = self.live().get(&RoomName::parse(&room)?) {
                    room.events.send(&Event::typing(user, &name));
                }
            }
            _ => {} // A server is alive.
        }
        Ok(())
    }
}
