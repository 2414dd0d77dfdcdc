//! The backend in Redis 7. Any number of servers can share one Redis, and a client may connect to any of them.
//!
//! `cargo run -p chat -- --redis redis://127.0.0.1/`
//!
//! | key | type | content |
//! |---|---|---|
//! | `chat:log:ROOM` | stream | the messages; an entry `17-0` is the message with id 17 |
//! | `chat:public:ROOM` | sorted set | the ids of the public messages of a room |
//! | `chat:private:ROOM:USER` | sorted set | the ids of the private messages in a room from and to a user |
//! | `chat:rooms` | sorted set | the rooms with messages that may be deleted, by the time of their last message |
//! | `chat:sent:USER` | hash | idempotency key → the id and the time of its message |
//! | `chat:name:NAME` | hash | the holder of a case-folded name: `id`, `name`, `token` (hashed), `released` if it was; expires when the name is free |
//! | `chat:token:HASH` | string | the case-folded name of the user with this token; expires with the name |
//! | `chat:names` | sorted set | the case-folded names by the time when they expire: to count them, and to find the one that was idle for longest |
//! | `chat:members:ROOM` | hash | the members of a room: user id → the number of servers, and the name; `version` |
//! | `chat:server:SERVER` | set | the members of all rooms on a server, `ROOM USER` |
//! | `chat:servers` | sorted set | the servers by the time when their lease runs out |
//!
//! The channels are `chat:message`, `chat:presence` (a user joined or left), `chat:typing`, and `chat:heartbeat`, which
//! only shows that publishing works. An operation that reads and then writes is one script, because Redis runs no other
//! command during a script.
//!
//! Pub/sub does not store what it cannot deliver. So a server whose subscription was interrupted reads the log and the
//! rosters again.

mod connection;
mod messages;
mod names;
mod presence;
mod subscription;
mod supervise;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Client, aio::PubSub};
use futures_util::future::BoxFuture;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::{Backend, Holder, MAX_USERS, OpenError, Reply};
use crate::input::{NewMessage, RoomName};
use crate::log::{Message, Page, Receipt, View};
use crate::room::{Cluster, Rooms};
use crate::user::{TokenHash, User};
use connection::Redis;
use names::KnownUsers;
use presence::RedisCluster;
use supervise::supervise;

/// How long a stop waits for Redis. A stop takes at most two seconds, and the last responses need one of them.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// A store in Redis.
struct RedisBackend {
    redis: Redis,
    /// How many names can be taken at the same time.
    max_users: usize,
    /// The users that this server knows.
    users: KnownUsers,
    cluster: Arc<RedisCluster>,
    /// Ends the task that reports to Redis.
    reporting: AbortHandle,
    /// The task that reports and the one that listens. They end when this is dropped.
    _tasks: JoinSet<()>,
}

/// Connects to the Redis at `url`, whose certificate an authority in the file `ca` has signed. Returns the store, and the
/// rooms in a cluster with those of the other servers.
pub(super) async fn open(
    url: &str,
    ca: Option<&Path>,
    rooms: Rooms,
) -> Result<(Arc<dyn Backend>, Rooms), OpenError> {
    let client = connection::client(url, ca)?;
    let (backend, rooms) = RedisBackend::open(client, rooms, MAX_USERS).await?;
    Ok((Arc::new(backend), rooms))
}

impl RedisBackend {
    async fn open(
        client: Client,
        rooms: Rooms,
        max_users: usize,
    ) -> Result<(Self, Rooms), OpenError> {
        let redis = Redis::connect(client).await?;
        let cluster = Arc::new(RedisCluster::new());
        let rooms = rooms.in_cluster(Arc::clone(&cluster) as Arc<dyn Cluster>);
        // Before anybody can join, so that this server misses no change.
        let subscription = subscription::subscribe(&redis).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(subscription, rooms.clone(), redis.clone()));
        let reporting = tasks.spawn(report(Arc::clone(&cluster), rooms.clone(), redis.clone()));
        let backend = Self {
            redis,
            max_users,
            users: KnownUsers::default(),
            cluster,
            reporting,
            _tasks: tasks,
        };
        Ok((backend, rooms))
    }
}

/// Delivers what is published in Redis to the rooms, and begins again if that ends.
async fn listen(first: PubSub, rooms: Rooms, redis: Redis) {
    let mut first = Some(first);
    let start = || subscription::run(first.take(), rooms.clone(), redis.clone());
    supervise("listen to Redis", start).await;
}

/// Reports what happens in the rooms to Redis, and begins again if that ends.
async fn report(cluster: Arc<RedisCluster>, rooms: Rooms, redis: Redis) {
    let start = || presence::run(Arc::clone(&cluster), rooms.clone(), redis.clone());
    supervise("report to Redis", start).await;
}

impl Backend for RedisBackend {
    fn append<'a>(
        &'a self,
        room: &'a RoomName,
        author: &'a Arc<User>,
        message: NewMessage,
    ) -> Reply<'a, Receipt> {
        Box::pin(messages::append(&self.redis, room, author, message))
    }

    fn check(&self) -> Reply<'_, ()> {
        Box::pin(self.redis.check())
    }

    fn page_after(&self, view: View, cursor: Option<i64>) -> Reply<'_, Page> {
        Box::pin(messages::page_after(&self.redis, view, cursor))
    }

    fn page_before(&self, view: View, id: i64) -> Reply<'_, Vec<Message>> {
        Box::pin(messages::page_before(&self.redis, view, id))
    }

    fn claim_name(&self, user: Arc<User>) -> Reply<'_, ()> {
        Box::pin(async move {
            names::claim(&self.redis, &user, self.max_users).await?;
            self.users.get_or_insert(&user);
            Ok(())
        })
    }

    fn user_by_token(&self, token: TokenHash) -> Reply<'_, Option<Arc<User>>> {
        Box::pin(async move {
            let found = names::resolve_token(&self.redis, token).await?;
            let Some(found) = found else {
                self.users.forget(token);
                return Ok(None);
            };
            Ok(Some(self.users.get_or_insert(&found)))
        })
    }

    fn find_holder(&self, case_folded: String) -> Reply<'_, Option<Holder>> {
        Box::pin(async move { names::find_holder(&self.redis, &case_folded).await })
    }

    fn release_name(&self, user: Arc<User>) -> Reply<'_, ()> {
        Box::pin(async move { names::release(&self.redis, &user).await })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // First, because a heartbeat would make the lease longer again.
            self.reporting.abort();
            let shortening = timeout(STOP_TIMEOUT, self.cluster.shorten_lease(&self.redis)).await;
            if !matches!(shortening, Ok(Ok(()))) {
                log::warn!("cannot report the stop to Redis; the users of this server leave later");
            }
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
