//! What a server tells Redis: that it is alive, and who is in which room on it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::{Script, pipe};
use shared::error::Error;
use tokio::select;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{BACK_OFF, LEASE};
use crate::input::RoomName;
use crate::redis::Redis;
use crate::room::{Person, Room, Rooms};
use crate::session::{User, UserId};

/// How often a server says that it is alive.
const TICK: Duration = Duration::from_secs(3);

/// How often the names of those who are here are kept from expiring: three times before one does that was given up.
const KEEP: Duration = Duration::from_secs(10);

/// How many come or go in one step: while Redis runs a script it does nothing else, and between two a server has
/// to say that it is alive.
const MOVES: usize = 500;

static PEOPLE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("people.lua")));

/// Tells who comes and goes, for as long as the server runs.
pub(super) async fn tell_all(rooms: Rooms, redis: Redis, mut typists: mpsc::Receiver<String>) {
    let mut teller = Teller {
        rooms: &rooms,
        redis: &redis,
        server: format!("{:016x}", rand::random::<u64>()),
        told: HashMap::new(),
    };
    loop {
        teller.tell(&mut typists).await.err();
        sleep(BACK_OFF).await;
        // What was told last may have been heard or not. To tell it again does no harm.
        redis.reconnect();
    }
}

/// Somebody in a room.
type Place = (RoomName, UserId);

/// What Redis knows of this server.
struct Teller<'a> {
    rooms: &'a Rooms,
    redis: &'a Redis,
    server: String,
    told: HashMap<Place, Arc<User>>,
}

impl Teller<'_> {
    /// Tells what has changed, until Redis fails.
    async fn tell(&mut self, typists: &mut mpsc::Receiver<String>) -> Result<(), Error> {
        let link = self.rooms.link.as_ref().ok_or(Error::Internal)?;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut keeping = interval(KEEP);
        loop {
            select! {
                _ = ticks.tick() => self.alive().await?,
                _ = keeping.tick() => self.keep_names().await?,
                () = link.changed.notified() => {}
                typist = typists.recv() => {
                    let typist = typist.ok_or(Error::Internal)?; // The rooms hold the other end.
                    self.redis.ask::<()>(pipe().publish("chat:typing", typist).ignore()).await?;
                    continue;
                }
            }
            self.move_people().await?;
            self.read_rosters().await?;
        }
    }

    /// Says that this server is alive. If Redis does not know what it was told, because the others thought that this
    /// server was dead, or because it has forgotten: from what it knows, it is told the rest again.
    async fn alive(&mut self) -> Result<(), Error> {
        let mut script = PEOPLE.arg("alive");
        let known: usize = self.redis.run(script.arg(&self.server).arg(LEASE)).await?;
        if known == self.told.len() {
            return Ok(());
        }
        let mut reading = pipe();
        reading.smembers(format!("chat:server:{}", self.server));
        let (mut known,): (HashSet<String>,) = self.redis.ask(&reading).await?;
        // Who is here and known there stays, also if the answer to that was lost.
        self.told = self.rooms.people();
        self.told
            .retain(|(room, id), _| known.remove(&format!("{} {id}", room.as_str())));
        let mut script = PEOPLE.arg("leave");
        script.arg(&self.server);
        for (room, id) in known.iter().filter_map(|place| place.split_once(' ')) {
            script.arg(room).arg(id).arg("");
        }
        self.redis.run(&script).await
    }

    /// Tells who has come to this server or has gone since the last time.
    async fn move_people(&mut self) -> Result<(), Error> {
        let here = self.rooms.people();
        let gone = self
            .told
            .iter()
            .filter(|(place, _)| !here.contains_key(place));
        let gone: Vec<_> = gone
            .map(|(place, user)| (place.clone(), Arc::clone(user)))
            .collect();
        for some in gone.chunks(MOVES) {
            self.tell_of("leave", some).await?;
            for (place, _) in some {
                self.told.remove(place);
            }
        }
        let new = here
            .into_iter()
            .filter(|(place, _)| !self.told.contains_key(place));
        for some in new.collect::<Vec<_>>().chunks(MOVES) {
            self.tell_of("enter", some).await?;
            self.told.extend(some.iter().cloned());
        }
        Ok(())
    }

    async fn tell_of(&self, what: &str, people: &[(Place, Arc<User>)]) -> Result<(), Error> {
        let mut script = PEOPLE.arg(what);
        script.arg(&self.server);
        for ((room, id), user) in people {
            script.arg(room.as_str()).arg(id).arg(user.name());
        }
        self.redis.run(&script).await
    }

    /// Reads the rosters that are not known.
    async fn read_rosters(&self) -> Result<(), Error> {
        for room in self.rooms.unknown() {
            let mut reading = pipe();
            reading.hgetall(format!("chat:here:{}", room.as_str()));
            let (people,): (HashMap<String, String>,) = self.redis.ask(&reading).await?;
            self.rooms.set_roster(&room, people);
        }
        Ok(())
    }

    /// Keeps the names of those who are here.
    async fn keep_names(&self) -> Result<(), Error> {
        let users: HashMap<_, _> = self.told.values().map(|user| (user.id, user)).collect();
        self.redis
            .keep(&users.into_values().collect::<Vec<_>>())
            .await
    }
}

impl Rooms {
    /// Everybody who is in a room on this server.
    fn people(&self) -> HashMap<(RoomName, UserId), Arc<User>> {
        let rooms = self.live();
        let people = rooms.iter().flat_map(|(name, room)| {
            let person =
                |(&id, person): (&UserId, &Person)| ((name.clone(), id), Arc::clone(&person.user));
            room.people.iter().map(person)
        });
        people.collect()
    }

    /// The rooms whose roster has to be read.
    fn unknown(&self) -> Vec<RoomName> {
        let is_unknown = |room: &Room| room.everywhere.as_ref().is_some_and(|all| all.version == 0);
        let rooms = self.live();
        let unknown = rooms.iter().filter(|(_, room)| is_unknown(room));
        unknown.map(|(name, _)| name.clone()).collect()
    }

    /// What Redis says of who is in a room.
    fn set_roster(&self, name: &RoomName, mut people: HashMap<String, String>) {
        let version = people.remove("version").map(|version| version.parse());
        let version = version.and_then(Result::ok).unwrap_or_default();
        if let Some(room) = self.live().get_mut(name)
            && let Some(all) = &mut room.everywhere
            && let Some(roster) = all.read(version, &people)
        {
            room.events.send(&roster);
        }
    }
}
