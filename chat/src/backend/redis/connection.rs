//! [`Redis`]: the connection to Redis, and the checks whether the chat can use a Redis.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, io};

use redis::aio::{ConnectionManager, ConnectionManagerConfig, PubSub};
use redis::{
    Client, ErrorKind, FromRedisValue, Pipeline, RedisError, Script, ScriptInvocation,
    TlsCertificates,
};
use shared::error::Error;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::backend::{OpenError, outage::log_error};

/// How long Redis may take to respond. A request of a client usually makes two calls, one to find the user and one for
/// its own purpose. Even if both are slow, the client gets its response or a 503 within 5 s.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection to Redis that reconnects by itself when it breaks. Clones are handles to the same connection.
#[derive(Clone)]
pub(super) struct Redis {
    client: Client,
    connection: Arc<Mutex<ConnectionManager>>,
    /// Wakes the task that listens, when the connection led to a replica.
    replica_found: Arc<Notify>,
}

impl Redis {
    /// Connects and checks that the chat can use this Redis.
    pub(super) async fn connect(client: Client) -> Result<Self, OpenError> {
        let address = client.get_connection_info().addr().to_string();
        let unusable = |error: RedisError| {
            let advice = advice(&error);
            format!("cannot use the Redis at {address}: {error}. {advice}")
        };
        let connecting = ConnectionManager::new_with_config(client.clone(), config());
        let mut connection = connecting.await.map_err(&unusable)?;
        check_writable_v7(&mut connection)
            .await
            .map_err(&unusable)?;
        warn_if_volatile(&mut connection).await;
        Ok(Self {
            client,
            connection: Arc::new(Mutex::new(connection)),
            replica_found: Arc::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionManager> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the connection by a new one. This is for a connection that is silent: it is not broken, so it does not
    /// reconnect by itself.
    pub(super) fn reconnect(&self) {
        if let Ok(new) = ConnectionManager::new_lazy_with_config(self.client.clone(), config()) {
            *self.lock() = new;
        }
    }

    /// Waits until the connection leads to a replica. After a failover it may do so, because the old primary is now a
    /// replica, and the address of Redis leads to the new primary only for new connections.
    pub(super) async fn replica_found(&self) {
        self.replica_found.notified().await;
    }

    /// Waits for a response, for at most `RESPONSE_TIMEOUT`. If a replica responds, replaces the connection.
    async fn respond_in_time<T>(
        &self,
        response: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        // The timeout of the driver is not enough, because it does not include the wait for a new connection.
        let response = timeout(RESPONSE_TIMEOUT, response).await;
        let response = response.unwrap_or_else(|_| Err(timed_out()));
        if matches!(&response, Err(error) if error.code() == Some("READONLY")) {
            self.reconnect();
            self.replica_found.notify_one();
        }
        response
    }

    /// Runs a script and returns its result. After a 503 the script may have run or not.
    pub(super) async fn run_script<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Error> {
        let result = self.try_script(script).await;
        result.map_err(|error| unavailable(&error))
    }

    /// Runs a script, for a caller that handles some errors itself.
    pub(super) async fn try_script<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, RedisError> {
        let mut connection = self.lock().clone();
        self.respond_in_time(script.invoke_async(&mut connection))
            .await
    }

    /// Sends one or more commands and returns their responses as a tuple.
    pub(super) async fn query<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Error> {
        let mut connection = self.lock().clone();
        let response = self
            .respond_in_time(commands.query_async(&mut connection))
            .await;
        response.map_err(|error| unavailable(&error))
    }

    /// Checks that Redis accepts writes now.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let mut connection = self.lock().clone();
        let checked = self
            .respond_in_time(check_writable_v7(&mut connection))
            .await;
        checked.map_err(|error| unavailable(&error))
    }

    /// Opens another connection and subscribes to these channels.
    pub(super) async fn subscribe(&self, channels: &[&str]) -> Result<PubSub, RedisError> {
        let subscribing = async {
            let mut subscription = self.client.get_async_pubsub().await?;
            subscription.subscribe(channels).await?;
            Ok(subscription)
        };
        let subscribed = timeout(RESPONSE_TIMEOUT, subscribing).await;
        subscribed.unwrap_or_else(|_| Err(timed_out()))
    }
}

/// Returns a client for the Redis at `url`, which is not connected yet. Of a Redis with TLS, its certificate must be
/// signed by an authority in the PEM file `ca`, or without a file by one that the system trusts.
///
/// No error contains the URL, which may have a password.
pub(super) fn client(url: &str, ca: Option<&Path>) -> Result<Client, OpenError> {
    // A password with an unencoded `/`, `?` or `#` ends the address there. A part of it would be taken for the host.
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if rest.split_at(end).1.contains('@') {
        return Err("--redis needs a percent-encoded password: write / as %2F, ? as %3F, # as %23 and @ as %40".into());
    }
    let opened = match ca {
        None => Client::open(url),
        Some(file) => Client::build_with_tls(url, read_ca(file)?),
    };
    let client = opened.map_err(|error| {
        format!("--redis needs an address such as redis://127.0.0.1/ (rediss:// with TLS) and got something else: {error}")
    })?;
    let info = client.get_connection_info();
    if info.redis_settings().db() != 0 {
        let address = info.addr();
        return Err(format!(
            "cannot use a numbered database of the Redis at {address}: all of them share their channels, so choose none"
        )
        .into());
    }
    Ok(client)
}

/// Reads the certificates of the authorities in a PEM file.
fn read_ca(file: &Path) -> Result<TlsCertificates, OpenError> {
    let name = file.display();
    let pem = fs::read(file).map_err(|error| format!("cannot read --redis-ca {name}: {error}"))?;
    if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
        return Err(format!("--redis-ca {name} has no certificate in PEM format").into());
    }
    Ok(TlsCertificates {
        client_tls: None,
        root_cert: Some(pem),
    })
}

/// Returns what to do about an error at the start.
fn advice(error: &RedisError) -> &'static str {
    if error.to_string().contains("certificate") {
        return "Give the file with the authority that has signed its certificate to --redis-ca, and to --redis the \
                host name that is in the certificate";
    }
    match (error.kind(), error.code()) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH")) => {
            "Put the right user and password into the environment variable REDIS: rediss://USER:PASSWORD@HOST:PORT/"
        }
        (_, Some("NOPERM")) => "Give this user the rights that chat/SCALING.md lists",
        _ => {
            "Start one of version 7 or later there (redis-server --appendonly yes --appendfsync always), or give \
             another address to --redis (rediss:// if that one has TLS)"
        }
    }
}

fn config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_connection_timeout(Some(RESPONSE_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_number_of_retries(1)
}

/// Checks that Redis accepts writes, which a replica does not, and that it knows the first line of the script, which a
/// Redis before version 7 does not. With `allow-oom`, a chat can also start on a Redis that is full.
async fn check_writable_v7(connection: &mut ConnectionManager) -> Result<(), RedisError> {
    let probe = Script::new("#!lua flags=allow-oom\nreturn redis.call('DEL', 'chat:nothing')");
    probe
        .prepare_invoke()
        .invoke_async::<i64>(connection)
        .await?;
    Ok(())
}

/// Logs a warning if Redis responds before a write is on disk. A managed Redis may refuse to show its settings; then
/// there is no warning.
async fn warn_if_volatile(connection: &mut ConnectionManager) {
    let mut get = redis::cmd("CONFIG");
    get.arg("GET").arg("appendfsync").arg("appendonly");
    let Ok(settings) = get.query_async::<Vec<String>>(connection).await else {
        return;
    };
    let has = |value: &str| settings.iter().any(|setting| setting == value);
    if !(has("yes") && has("always")) {
        log::warn!(
            "this Redis may lose messages that were acknowledged: start it with --appendonly yes --appendfsync always"
        );
    }
}

/// Logs the error and returns a 503 for the client.
pub(super) fn unavailable(error: &RedisError) -> Error {
    log_error("Redis", error);
    Error::service_unavailable("Redis does not respond as it should. Try again later.")
}

fn timed_out() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}
