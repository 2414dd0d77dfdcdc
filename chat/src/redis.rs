//! [`Redis`]: what many servers share, so that it does not matter which of them answers.
//!
//! `cargo run -p chat --features redis -- --redis redis://127.0.0.1/`
//!
//! | key | type | holds |
//! |---|---|---|
//! | `chat:log:ROOM` | stream | the messages; the first half of an entry's id is the message's |
//! | `chat:sent:USER` | hash | what a user has sent: a key → the id and the time of its message |
//! | `chat:name:FOLDED` | hash | who has a name: `id`, `name`, `token` (hashed), `given` if it was given up; it expires when the name is free |
//! | `chat:token:HASH` | string | whose token it is: the folded name; it expires with the name |
//! | `chat:names` | sorted set | the folded names, by the time when they expire: to count them, and to find who was away for longest |
//! | `chat:here:ROOM` | hash | who is in a room: a user → on how many servers, and the name; `version` |
//! | `chat:server:SERVER` | set | who is where on a server |
//! | `chat:servers` | sorted set | the servers, by the time until which they are taken to be alive |
//! | `chat:time` | string | when any of them was last heard of |
//!
//! What happens is published: `chat:said`, `chat:moved` (somebody came or went), `chat:typing`, and `chat:alive`, which
//! says only that publishing works. Whatever reads and then writes is one script, which Redis runs as a whole: there is no moment in between.
//! A server never trusts what it remembers of these. It is told of what happens by pub/sub, which forgets:
//! after a gap it reads the log, and who is here, again.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig, PubSub};
use ::redis::{Client, ErrorKind, FromRedisValue, RedisError, Script, ScriptInvocation};
use actix_web::web;
use shared::error::Error;
use tokio::time::timeout;

use crate::database::{Database, Unfit};
use crate::log::Log;
use crate::room::{self, BEHIND, Rooms};
use crate::session::Sessions;
use crate::{Chat, Flags};

/// How long an answer may take. A request asks who it is and then what it wants, gives up with the first answer
/// that does not come, and has to be answered within 5 s.
const PATIENCE: Duration = Duration::from_secs(2);

/// A Redis that many servers share. Clones are handles to the same connection, which comes back by itself.
#[derive(Clone)]
pub(crate) struct Redis {
    client: Client,
    connection: Arc<Mutex<ConnectionManager>>,
}

/// The chat with everything in the Redis at `url`.
pub(crate) async fn open(url: &str, flags: &Flags) -> Result<web::Data<Chat>, Unfit> {
    // Without the address, which may hold a password.
    let unfit = |error: RedisError| format!("cannot use Redis: {error}");
    let redis = Redis::connect(url).await.map_err(unfit)?;
    let rooms = Rooms::new(flags.connections.into(), BEHIND);
    let rooms = room::redis::link(rooms, &redis).await.map_err(unfit)?;
    // Nothing is kept in it.
    let mut database = Database::open(Path::new(":memory:"))?;
    database.redis = Some(redis);
    let database = Arc::new(database);
    // Not from here: from Redis, as all servers hear it.
    let publish = Arc::new(|_: &_, _: &_| ());
    Ok(web::Data::new(Chat {
        sessions: Sessions::load(Arc::clone(&database)).await?,
        rooms,
        log: Log { database, publish },
        rate: flags.rate,
    }))
}

impl Redis {
    pub(crate) async fn connect(url: &str) -> Result<Self, RedisError> {
        let client = Client::open(url)?;
        if client.get_connection_info().redis_settings().db() != 0 {
            // Or two chats, each in its own, would hear each other.
            let sentence = "what is published is the same for all database numbers, so choose none";
            return Err((ErrorKind::InvalidClientConfig, sentence).into());
        }
        let mut connection = ConnectionManager::new_with_config(client.clone(), config()).await?;
        // Nothing, but a replica does not do it, and a Redis before 7 does not understand it.
        let probe = Script::new("#!lua\nreturn redis.call('DEL', 'chat:nothing')");
        let _: i64 = probe.prepare_invoke().invoke_async(&mut connection).await?;
        let mut setting = ::redis::cmd("CONFIG");
        setting.arg("GET").arg("appendfsync").arg("appendonly");
        let on_disk: Result<Vec<String>, _> = setting.query_async(&mut connection).await;
        let is_set = |settings: &Vec<String>, value: &str| settings.iter().any(|set| set == value);
        // A managed Redis may not say.
        if on_disk.is_ok_and(|settings| !is_set(&settings, "yes") || !is_set(&settings, "always")) {
            log::warn!(
                "this Redis may lose what was acknowledged: --appendonly yes --appendfsync always"
            );
        }
        let connection = Arc::new(Mutex::new(connection));
        Ok(Self { client, connection })
    }

    fn connection(&self) -> MutexGuard<'_, ConnectionManager> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a new connection: one that is only silent does not come back by itself.
    pub(crate) fn reconnect(&self) {
        if let Ok(new) = ConnectionManager::new_lazy_with_config(self.client.clone(), config()) {
            *self.connection() = new;
        }
    }

    /// Runs a script. If there is no answer in time, it may have run or not.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Error> {
        let mut connection = self.connection().clone();
        answer(script.invoke_async(&mut connection)).await
    }

    /// Runs a command, or several.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        commands: &::redis::Pipeline,
    ) -> Result<T, Error> {
        let mut connection = self.connection().clone();
        answer(commands.query_async(&mut connection)).await
    }

    /// What is published on these channels from now on.
    pub(crate) async fn subscribe(&self, channels: &[&str]) -> Result<PubSub, RedisError> {
        let subscribing = async {
            let mut subscription = self.client.get_async_pubsub().await?;
            subscription.subscribe(channels).await?;
            Ok(subscription)
        };
        timeout(PATIENCE, subscribing)
            .await
            .unwrap_or_else(|_| Err(no_answer()))
    }
}

fn config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE))
        .set_number_of_retries(1)
}

/// What Redis answers, in time.
async fn answer<T>(answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, Error> {
    // The connection has its own patience for an answer, but not for itself.
    let outcome = timeout(PATIENCE, answer).await;
    outcome
        .unwrap_or_else(|_| Err(no_answer()))
        .map_err(|error| {
            log::error!("cannot use Redis: {error}");
            Error::Unavailable("Redis does not answer as it should. Send it again later.")
        })
}

fn no_answer() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
