//! Reports from a server to Redis: its heartbeat, its members, and who is typing.
//!
//! For each member of a room, Redis counts the servers to which the user is connected. It publishes `joined` when the
//! first server reports the user, and `left` when the last one removes the user. Each heartbeat of a server renews its
//! lease. When the lease runs out, the members of that server have left.
//!
//! A server that is stopping shortens its lease to `LEAVE_DELAY`, the time in which its users may connect to another
//! server. A heartbeat tells a server when the next lease of any server runs out, and it sends another heartbeat then.
//! So the members of a stopped server leave in time, although nobody sends anything for them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Script, pipe};
use shared::error::Error;
use tokio::select;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::connection::Redis;
use super::names;
use crate::input::RoomName;
use crate::room::{Cluster, LEAVE_DELAY, Rooms};
use crate::user::{User, UserId};

/// For how many seconds a server counts as alive after a heartbeat: enough to miss two heartbeats.
pub(super) const LEASE: u64 = 10;

/// How often a server sends a heartbeat: three times during a lease. It must be less than `LEAVE_DELAY`, so that a server
/// learns of a shortened lease before it runs out.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);

/// How often the expiry of the names of connected users is renewed: three times in the 30 s of a released name.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);

/// How many changes are reported in one call, because Redis runs nothing else during a script.
const REPORT_BATCH: usize = 500;

/// How many `typing` events may wait to be published in one call. Further ones are dropped, because they would be late
/// anyway.
const TYPING_QUEUE: usize = 500;

/// How long to wait before the next attempt after Redis has failed. It is short compared with a lease.
const RETRY_DELAY: Duration = Duration::from_secs(1);

static PRESENCE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("presence.lua")));

/// The reports of the rooms of one server, which wait for the task in [`run`].
pub(super) struct RedisCluster {
    /// The name of this server in Redis, a random number.
    pub(super) server: String,
    members_changed: Notify,
    /// The `typing` events that wait to be published.
    typing: Mutex<Vec<Typing>>,
    typing_waits: Notify,
}

/// The room, the id and the name of a user who is typing.
type Typing = (RoomName, UserId, String);

impl RedisCluster {
    pub(super) fn new() -> Self {
        Self {
            server: format!("{:016x}", rand::random::<u64>()),
            members_changed: Notify::new(),
            typing: Mutex::default(),
            typing_waits: Notify::new(),
        }
    }

    fn lock_typing(&self) -> MutexGuard<'_, Vec<Typing>> {
        self.typing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shortens the lease of this server, because it is stopping. The task in [`run`] must have ended, because its next
    /// heartbeat would renew the lease.
    pub(super) async fn shorten_lease(&self, redis: &Redis) -> Result<(), Error> {
        let mut script = PRESENCE.arg("stop");
        script.arg(&self.server).arg(LEAVE_DELAY.as_secs());
        redis.run_script(&script).await
    }
}

impl Cluster for RedisCluster {
    fn members_changed(&self) {
        self.members_changed.notify_one();
    }

    fn typing(&self, room: &RoomName, user: &User) {
        let mut typing = self.lock_typing();
        if typing.len() < TYPING_QUEUE {
            typing.push((room.clone(), user.id, user.name().to_owned()));
            self.typing_waits.notify_one();
        }
    }
}

/// Reports to Redis for as long as the server runs.
pub(super) async fn run(cluster: Arc<RedisCluster>, rooms: Rooms, redis: Redis) {
    let mut reporter = PresenceReporter {
        cluster: &cluster,
        rooms: &rooms,
        redis: &redis,
        reported: HashMap::new(),
    };
    loop {
        // The error has been logged. The last report may have arrived or not, and sending it again does no harm.
        reporter.report().await.err();
        sleep(RETRY_DELAY).await;
        redis.reconnect();
    }
}

/// A user in a room.
type MemberKey = (RoomName, UserId);

struct PresenceReporter<'a> {
    cluster: &'a RedisCluster,
    rooms: &'a Rooms,
    redis: &'a Redis,
    /// The members on this server that Redis knows.
    reported: HashMap<MemberKey, Arc<User>>,
}

impl PresenceReporter<'_> {
    /// Reports everything that changes, until Redis fails.
    async fn report(&mut self) -> Result<(), Error> {
        // First, because Redis takes no members from a server without a lease: one that has just started, or whose lease
        // ran out while Redis did not respond.
        let mut next_heartbeat = self.send_heartbeat().await?;
        let mut refreshes = interval(REFRESH_INTERVAL);
        refreshes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            select! {
                () = sleep_until(next_heartbeat) => next_heartbeat = self.send_heartbeat().await?,
                _ = refreshes.tick() => self.refresh_names().await?,
                () = self.cluster.members_changed.notified() => {}
                () = self.cluster.typing_waits.notified() => {
                    self.publish_typing().await?;
                    continue;
                }
            }
            self.report_changes().await?;
            self.read_unknown_rosters().await?;
        }
    }

    /// Renews the lease of this server. Returns when to do that again: after `HEARTBEAT_INTERVAL`, or when the next
    /// lease of any server runs out.
    async fn send_heartbeat(&mut self) -> Result<Instant, Error> {
        let mut script = PRESENCE.arg("heartbeat");
        script.arg(&self.cluster.server).arg(LEASE);
        let (count, next_end): (usize, u64) = self.redis.run_script(&script).await?;
        if count != self.reported.len() {
            self.compare_with_redis().await?;
        }
        Ok(Instant::now() + HEARTBEAT_INTERVAL.min(Duration::from_millis(next_end)))
    }

    /// Reads the members of this server in Redis, so that the next report corrects the difference. Redis may have other
    /// members than were reported, because the lease has run out, Redis has lost data, or this task has started again.
    async fn compare_with_redis(&mut self) -> Result<(), Error> {
        let mut reading = pipe();
        reading.smembers(format!("chat:server:{}", self.cluster.server));
        let (mut in_redis,): (HashSet<String>,) = self.redis.query(&reading).await?;
        // Members who are here and in Redis stay reported. Members who are only in Redis are removed there.
        self.reported = self.local_members();
        self.reported
            .retain(|(room, user), _| in_redis.remove(&format!("{} {user}", room.as_str())));
        let mut script = PRESENCE.arg("leave");
        script.arg(&self.cluster.server);
        for (room, user) in in_redis.iter().filter_map(|entry| entry.split_once(' ')) {
            script.arg(room).arg(user).arg("");
        }
        self.redis.run_script(&script).await
    }

    fn local_members(&self) -> HashMap<MemberKey, Arc<User>> {
        let members = self.rooms.local_members().into_iter();
        members
            .map(|(room, user)| ((room, user.id), user))
            .collect()
    }

    /// Reports the members who have joined or left on this server since the last call.
    async fn report_changes(&mut self) -> Result<(), Error> {
        let members = self.local_members();
        let mut left = Vec::new();
        for (key, user) in &self.reported {
            if !members.contains_key(key) {
                left.push((key.clone(), Arc::clone(user)));
            }
        }
        for batch in left.chunks(REPORT_BATCH) {
            self.report_batch("leave", batch).await?;
            for (key, _) in batch {
                self.reported.remove(key);
            }
        }
        let is_new = |(key, _): &(MemberKey, _)| !self.reported.contains_key(key);
        let joined: Vec<_> = members.into_iter().filter(is_new).collect();
        for batch in joined.chunks(REPORT_BATCH) {
            self.report_batch("join", batch).await?;
            self.reported.extend(batch.iter().cloned());
        }
        Ok(())
    }

    async fn report_batch(
        &self,
        command: &str,
        batch: &[(MemberKey, Arc<User>)],
    ) -> Result<(), Error> {
        let mut script = PRESENCE.arg(command);
        script.arg(&self.cluster.server);
        for ((room, user_id), user) in batch {
            script.arg(room.as_str()).arg(user_id).arg(user.name());
        }
        self.redis.run_script(&script).await
    }

    /// Publishes the `typing` events that are waiting.
    async fn publish_typing(&self) -> Result<(), Error> {
        let typing = mem::take(&mut *self.cluster.lock_typing());
        let mut script = PRESENCE.arg("typing");
        script.arg(&self.cluster.server);
        for (room, user, name) in typing {
            script.arg(room.as_str()).arg(user).arg(name);
        }
        self.redis.run_script(&script).await
    }

    async fn read_unknown_rosters(&self) -> Result<(), Error> {
        for room in self.rooms.unknown_rosters() {
            let mut reading = pipe();
            reading.hgetall(format!("chat:members:{}", room.as_str()));
            let (hash,): (HashMap<String, String>,) = self.redis.query(&reading).await?;
            // Without a version the room has no members in Redis yet. The next call reads the roster again.
            if let Some((version, members)) = parse_roster(&hash) {
                self.rooms.replace_roster(&room, version, members);
            }
        }
        Ok(())
    }

    /// Renews the expiry of the names of connected users.
    async fn refresh_names(&self) -> Result<(), Error> {
        let users = self.reported.values();
        let users: HashMap<_, _> = users.map(|user| (user.id, Arc::clone(user))).collect();
        let users: Vec<_> = users.into_values().collect();
        names::refresh(self.redis, &users).await
    }
}

/// Parses the hash of a room: `version`, and for each user id the number of servers and the name, `2 Ann`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_events_that_redis_does_not_take_are_dropped() {
        let cluster = RedisCluster::new();
        let (lobby, ann) = (RoomName::parse("lobby").unwrap(), User::test(1, "Ann"));
        for _ in 0..=TYPING_QUEUE {
            cluster.typing(&lobby, &ann);
        }
        assert_eq!(cluster.lock_typing().len(), TYPING_QUEUE);
    }
}
