//! What a server reports to Redis: a heartbeat, who is in which room on it, and who is typing.
//!
//! Redis counts, for each user in a room, on how many servers that user is. It publishes `joined` when the first
//! server reports the user, and `left` when the last one does not any more. A server sends a heartbeat every few
//! seconds; the users of a server whose lease has run out have left.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::{Script, pipe};
use shared::error::Error;
use tokio::select;
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::connection::Redis;
use super::names;
use crate::input::RoomName;
use crate::room::{Cluster, Rooms};
use crate::user::{User, UserId};

/// For how many seconds a server counts as alive after a heartbeat.
pub(super) const LEASE: u64 = 10;

/// How often a server sends a heartbeat: three in the time of a lease.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);

/// How often the names of connected users are kept from expiring: three times in the 30 s of a released name.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);

/// How many changes are reported in one call. Redis does nothing else while it runs a script, and a server has to
/// send its heartbeat between two calls.
const REPORT_BATCH: usize = 500;

/// How many `typing` events may wait to be published. When there are more, the newest are dropped.
const TYPING_QUEUE: usize = 1_000;

/// How long to wait before trying again after Redis has failed.
const RETRY_DELAY: Duration = Duration::from_secs(1);

static PRESENCE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("presence.lua")));

/// What the rooms of this server hold: their way to leave a note for the task that reports to Redis.
struct RedisCluster {
    members_changed: Arc<Notify>,
    /// JSON for `chat:typing`.
    typing: mpsc::Sender<String>,
}

/// The other end of `RedisCluster`, for `run`.
pub(super) struct Reports {
    members_changed: Arc<Notify>,
    typing: mpsc::Receiver<String>,
}

/// Returns what the rooms need to report, and what `run` needs to receive the reports.
pub(super) fn cluster() -> (Arc<dyn Cluster>, Reports) {
    let members_changed = Arc::new(Notify::new());
    let (sender, receiver) = mpsc::channel(TYPING_QUEUE);
    let cluster = RedisCluster {
        members_changed: Arc::clone(&members_changed),
        typing: sender,
    };
    let reports = Reports {
        members_changed,
        typing: receiver,
    };
    (Arc::new(cluster), reports)
}

impl Cluster for RedisCluster {
    fn members_changed(&self) {
        self.members_changed.notify_one();
    }

    fn typing(&self, room: &RoomName, user: &User) {
        let event = (room.as_str(), user.id, user.name());
        if let Ok(json) = serde_json::to_string(&event) {
            // If the queue is full, this event is dropped.
            self.typing.try_send(json).ok();
        }
    }
}

/// Reports to Redis for as long as the server runs.
pub(super) async fn run(mut reports: Reports, rooms: Rooms, redis: Redis) {
    let mut reporter = PresenceReporter {
        rooms: &rooms,
        redis: &redis,
        server: format!("{:016x}", rand::random::<u64>()),
        reported: HashMap::new(),
    };
    loop {
        // The failure has been logged. What was sent last may have arrived or not; sending it again does no harm.
        reporter.report(&mut reports).await.err();
        sleep(RETRY_DELAY).await;
        redis.reconnect();
    }
}

/// A user in a room.
type Presence = (RoomName, UserId);

struct PresenceReporter<'a> {
    rooms: &'a Rooms,
    redis: &'a Redis,
    /// The name of this server in Redis, a random number.
    server: String,
    /// Who is in which room on this server, as Redis knows it.
    reported: HashMap<Presence, Arc<User>>,
}

impl PresenceReporter<'_> {
    /// Reports everything that changes, until Redis fails.
    async fn report(&mut self, reports: &mut Reports) -> Result<(), Error> {
        let mut heartbeats = interval(HEARTBEAT_INTERVAL);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut refreshes = interval(REFRESH_INTERVAL);
        loop {
            select! {
                _ = heartbeats.tick() => self.send_heartbeat().await?,
                _ = refreshes.tick() => self.refresh_names().await?,
                () = reports.members_changed.notified() => {}
                event = reports.typing.recv() => {
                    let event = event.ok_or_else(Error::internal)?; // The rooms hold the sender.
                    self.redis.query::<()>(pipe().publish("chat:typing", event).ignore()).await?;
                    continue;
                }
            }
            self.report_changes().await?;
            self.read_unknown_rosters().await?;
        }
    }

    /// Renews the lease of this server. If Redis does not have what was reported, because the other servers thought
    /// that this one was dead or because Redis has lost data, finds out what it has, so that the rest is reported
    /// again.
    async fn send_heartbeat(&mut self) -> Result<(), Error> {
        let mut script = PRESENCE.arg("heartbeat");
        script.arg(&self.server).arg(LEASE);
        let count: usize = self.redis.run_script(&script).await?;
        if count == self.reported.len() {
            return Ok(());
        }
        let mut reading = pipe();
        reading.smembers(format!("chat:server:{}", self.server));
        let (mut in_redis,): (HashSet<String>,) = self.redis.query(&reading).await?;
        // Keeps those who are here and in Redis, and removes the others from Redis.
        self.reported = self.local_members();
        self.reported
            .retain(|(room, user), _| in_redis.remove(&format!("{} {user}", room.as_str())));
        let mut script = PRESENCE.arg("leave");
        script.arg(&self.server);
        for (room, user) in in_redis.iter().filter_map(|entry| entry.split_once(' ')) {
            script.arg(room).arg(user).arg("");
        }
        self.redis.run_script(&script).await
    }

    fn local_members(&self) -> HashMap<Presence, Arc<User>> {
        let members = self.rooms.local_members().into_iter();
        members
            .map(|(room, user)| ((room, user.id), user))
            .collect()
    }

    /// Reports who has come to this server or gone from it since the last call.
    async fn report_changes(&mut self) -> Result<(), Error> {
        let here = self.local_members();
        let mut left = Vec::new();
        for (presence, user) in &self.reported {
            if !here.contains_key(presence) {
                left.push((presence.clone(), Arc::clone(user)));
            }
        }
        for batch in left.chunks(REPORT_BATCH) {
            self.report_batch("leave", batch).await?;
            for (presence, _) in batch {
                self.reported.remove(presence);
            }
        }
        let is_new = |(presence, _): &(Presence, _)| !self.reported.contains_key(presence);
        let joined: Vec<_> = here.into_iter().filter(is_new).collect();
        for batch in joined.chunks(REPORT_BATCH) {
            self.report_batch("join", batch).await?;
            self.reported.extend(batch.iter().cloned());
        }
        Ok(())
    }

    async fn report_batch(
        &self,
        command: &str,
        batch: &[(Presence, Arc<User>)],
    ) -> Result<(), Error> {
        let mut script = PRESENCE.arg(command);
        script.arg(&self.server);
        for ((room, user_id), user) in batch {
            script.arg(room.as_str()).arg(user_id).arg(user.name());
        }
        self.redis.run_script(&script).await
    }

    async fn read_unknown_rosters(&self) -> Result<(), Error> {
        for room in self.rooms.unknown_rosters() {
            let mut reading = pipe();
            reading.hgetall(format!("chat:members:{}", room.as_str()));
            let (hash,): (HashMap<String, String>,) = self.redis.query(&reading).await?;
            // Without a version Redis has nobody in the room yet; the roster is read again after the next report.
            if let Some((version, members)) = parse_roster(&hash) {
                self.rooms.replace_roster(&room, version, members);
            }
        }
        Ok(())
    }

    /// Keeps the names of connected users from expiring.
    async fn refresh_names(&self) -> Result<(), Error> {
        let users = self.reported.values();
        let users: HashMap<_, _> = users.map(|user| (user.id, Arc::clone(user))).collect();
        let users: Vec<_> = users.into_values().collect();
        names::refresh(self.redis, &users).await
    }
}

/// Reads the hash of a room: user id → on how many servers, and the name, `2 Ann`; and `version`.
fn parse_roster(hash: &HashMap<String, String>) -> Option<(u64, BTreeMap<UserId, String>)> {
    let version = hash.get("version")?.parse().ok()?;
    let mut members = BTreeMap::new();
    for (user, value) in hash {
        if let Ok(user) = user.parse()
            && let Some((_, name)) = value.split_once(' ')
        {
            members.insert(user, name.to_owned());
        }
    }
    Some((version, members))
}
