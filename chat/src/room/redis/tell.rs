//! What a server tells Redis: that it is alive, and who is in which room on it.

use std::collections::{HashMap, hash_map::Entry};
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

static PEOPLE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("people.lua")));

/// Tells who comes and goes, for as long as the server runs.
pub(super) async fn tell_all(rooms: Rooms, redis: Redis, mut typists: mpsc::Receiver<String>) {
    loop {
        // Under a new name after an error: nobody knows what was stored, and after a while the old one is dead.
        let server = format!("{:016x}", rand::random::<u64>());
        let teller = Teller {
            rooms: &rooms,
            redis: &redis,
            server,
            told: HashMap::new(),
        };
        teller.tell(&mut typists).await.err();
        sleep(BACK_OFF).await;
    }
}

/// What Redis knows of this server.
struct Teller<'a> {
    rooms: &'a Rooms,
    redis: &'a Redis,
    server: String,
    told: HashMap<(RoomName, UserId), Arc<User>>,
}

impl Teller<'_> {
    /// Tells what has changed, until Redis fails.
    async fn tell(mut self, typists: &mut mpsc::Receiver<String>) -> Result<(), Error> {
        let link = self.rooms.link.as_ref().ok_or(Error::Internal)?;
        // From now on it is known; that it was not is no surprise.
        self.alive().await?;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            select! {
                _ = ticks.tick() => {
                    if !self.alive().await? {
                        return Ok(()); // The others think that everybody here has left.
                    }
                    self.redis.keep(&self.told.values().collect::<Vec<_>>()).await?;
                }
                () = link.changed.notified() => {}
                Some(typist) = typists.recv() => {
                    self.redis.ask::<()>(pipe().publish("chat:typing", typist).ignore()).await?;
                    continue;
                }
            }
            self.move_people().await?;
            self.read_rosters().await?;
        }
    }

    async fn alive(&self) -> Result<bool, Error> {
        let mut script = PEOPLE.arg("alive");
        self.redis.run(script.arg(&self.server).arg(LEASE)).await
    }

    /// Tells who has come to this server or has gone since the last time.
    async fn move_people(&mut self) -> Result<(), Error> {
        let here = self.rooms.people();
        let gone = self.told.keys().filter(|who| !here.contains_key(who));
        for (room, id) in gone.cloned().collect::<Vec<_>>() {
            let mut script = PEOPLE.arg("leave");
            script.arg(&self.server).arg(room.as_str()).arg(id);
            self.redis.run::<()>(&script).await?;
            self.told.remove(&(room, id));
        }
        for ((room, id), user) in here {
            if let Entry::Vacant(place) = self.told.entry((room, id)) {
                let mut script = PEOPLE.arg("enter");
                script.arg(&self.server).arg(place.key().0.as_str());
                script.arg(id).arg(user.name());
                self.redis.run::<()>(&script).await?;
                place.insert(user);
            }
        }
        Ok(())
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
