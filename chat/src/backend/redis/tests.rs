//! Tests of the store in Redis only, and the control of that store for the tests of all stores.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use redis::Pipeline;

use super::*;
use crate::backend::tests::{Control, Store};
use crate::room::EVENT_BUFFER;

/// Returns a client of this Redis.
fn client(server: &testing::redis::Redis) -> Client {
    connection::client(&server.url(), None).unwrap()
}

/// Starts a Redis, and opens a backend and rooms on it.
async fn open_backend(max_users: usize) -> (testing::redis::Redis, RedisBackend, Rooms) {
    let server = testing::redis::Redis::start();
    let rooms = Rooms::new(20, EVENT_BUFFER);
    let opened = RedisBackend::open(client(&server), rooms, max_users).await;
    let (backend, rooms) = opened.unwrap();
    (server, backend, rooms)
}

/// Returns an empty store. Its Redis belongs to it alone.
pub(crate) async fn store(max_users: usize) -> Store {
    let (server, backend, rooms) = open_backend(max_users).await;
    let backend = Arc::new(backend);
    let store = Store {
        name: "Redis",
        backend: Arc::clone(&backend) as Arc<dyn Backend>,
        rooms,
        control: Box::new(RedisControl { server, backend }),
    };
    // The first call of a script takes longer, because it loads the script. Later calls could overtake it.
    let (warm_up, lobby) = (store.add_user("warm-up").await, RoomName::parse("lobby"));
    let message = NewMessage::test("warm-up", "warm-up", None);
    store.append(&lobby.unwrap(), &warm_up, message).await;
    store.control.clear().await;
    store
}

struct RedisControl {
    /// Dropping it stops the server.
    #[allow(dead_code, reason = "the server must run as long as the store is used")]
    server: testing::redis::Redis,
    backend: Arc<RedisBackend>,
}

impl RedisControl {
    async fn run(&self, lua: &str, arg: impl redis::ToRedisArgs) {
        let script = redis::Script::new(lua);
        let mut call = script.prepare_invoke();
        let done: Result<(), _> = self.backend.redis.run_script(call.arg(arg)).await;
        done.unwrap();
    }
}

impl Control for RedisControl {
    fn let_time_pass(&self, seconds: i64) -> BoxFuture<'_, ()> {
        const LET_TIME_PASS: &str = "
            for _, key in ipairs(redis.call('KEYS', 'chat:*')) do
              local left = redis.call('TTL', key)
              if left >= 0 then redis.call('EXPIRE', key, left - ARGV[1]) end
            end
            for _, name in ipairs(redis.call('ZRANGE', 'chat:names', 0, -1)) do
              redis.call('ZINCRBY', 'chat:names', -ARGV[1], name)
            end";
        Box::pin(self.run(LET_TIME_PASS, seconds))
    }

    fn remove_user<'a>(&'a self, user: &'a User) -> BoxFuture<'a, ()> {
        let key = format!("chat:name:{}", user.name.case_folded);
        Box::pin(self.run("redis.call('DEL', ARGV[1])", key))
    }

    /// Keeps the members of rooms, because a server reports each of them only once.
    fn clear(&self) -> BoxFuture<'_, ()> {
        const CLEAR: &str = "
            for _, pattern in ipairs({ 'log', 'public', 'private', 'rooms', 'sent', 'name', 'token' }) do
              for _, key in ipairs(redis.call('KEYS', 'chat:' .. pattern .. '*')) do redis.call('DEL', key) end
            end";
        Box::pin(self.run(CLEAR, ""))
    }
}

#[tokio::test]
async fn the_key_of_a_message_is_deleted_with_it() {
    if !testing::redis::is_installed() {
        return;
    }
    let (_server, backend, _rooms) = open_backend(10).await;
    let (ann, lobby) = (User::test(1, "Ann"), RoomName::parse("lobby").unwrap());
    backend.claim_name(Arc::clone(&ann)).await.unwrap();
    let append = |number: usize| {
        let number = number.to_string();
        backend.append(&lobby, &ann, NewMessage::test(&number, &number, None))
    };
    for batch in (0..10_010).collect::<Vec<_>>().chunks(50) {
        let appended = futures_util::future::join_all(batch.iter().copied().map(append)).await;
        assert!(appended.iter().all(Result::is_ok));
    }
    let mut counting = Pipeline::new();
    counting.hlen("chat:sent:1");
    let (keys,): (usize,) = backend.redis.query(&counting).await.unwrap();
    assert_eq!(keys, 10_000);
}

/// A report before the first heartbeat fails, and the next attempt comes a second later.
#[tokio::test]
async fn a_member_who_joins_at_the_start_does_not_wait() {
    if !testing::redis::is_installed() {
        return;
    }
    let (_server, _backend, rooms) = open_backend(10).await;
    let (ann, lobby) = (User::test(1, "Ann"), RoomName::parse("lobby").unwrap());
    let joining = timeout(Duration::from_secs(1), rooms.join(&lobby, &ann));
    assert!(joining.await.unwrap().is_ok());
}

/// A heartbeat after the report of a stop would make the lease longer again, and the users would leave late.
#[tokio::test]
async fn a_server_that_is_stopping_does_not_renew_its_lease() {
    if !testing::redis::is_installed() {
        return;
    }
    let (_server, backend, rooms) = open_backend(10).await;
    let (ann, lobby) = (User::test(1, "Ann"), RoomName::parse("lobby").unwrap());
    let _membership = rooms.join(&lobby, &ann).await.unwrap();
    let end_of_lease = async || {
        let mut reading = Pipeline::new();
        reading
            .cmd("ZSCORE")
            .arg("chat:servers")
            .arg(&backend.cluster.server);
        let (end,): (f64,) = backend.redis.query(&reading).await.unwrap();
        end
    };
    let before = end_of_lease().await;
    backend.close().await;
    let shortened = end_of_lease().await;
    assert!(shortened < before, "{shortened} {before}");
    tokio::time::sleep(presence::HEARTBEAT_INTERVAL + Duration::from_secs(1)).await;
    let renewed_by = end_of_lease().await - shortened;
    assert!(renewed_by.abs() < 0.001, "{renewed_by}");
}

/// Each room keeps its latest page, also the one that was silent for longest.
#[allow(clippy::too_many_lines, reason = "one step after the other")]
#[tokio::test]
async fn redis_out_of_memory_deletes_from_the_longest_silent_room() {
    if !testing::redis::is_installed() {
        return;
    }
    let (server, backend, _rooms) = open_backend(10).await;
    let ann = User::test(1, "Ann");
    backend.claim_name(Arc::clone(&ann)).await.unwrap();
    let [silent, lobby] = ["silent", "lobby"].map(|name| RoomName::parse(name).unwrap());
    let text = "x".repeat(8_000);
    let append = |room, key: usize| {
        backend.append(room, &ann, NewMessage::test(&key.to_string(), &text, None))
    };
    for key in 0..300 {
        append(&silent, key).await.unwrap();
    }
    let mut limiting = Pipeline::new();
    let used = "for n in string.gmatch(redis.call('INFO', 'memory'), 'used_memory:(%d+)') do return tonumber(n) end";
    let used: u64 = {
        let script = redis::Script::new(used);
        backend
            .redis
            .run_script(&script.prepare_invoke())
            .await
            .unwrap()
    };
    limiting
        .cmd("CONFIG")
        .arg("SET")
        .arg("maxmemory")
        .arg(used + (1 << 20));
    let (_ok,): (String,) = backend.redis.query(&limiting).await.unwrap();
    for key in 300..900 {
        let start = Instant::now();
        append(&lobby, key).await.unwrap();
        // A second on a quiet machine; Redis waits for the disk at each message here.
        assert!(start.elapsed() < Duration::from_secs(3));
    }
    let stored = async |room: &RoomName| {
        let mut counting = Pipeline::new();
        counting
            .cmd("XLEN")
            .arg(format!("chat:log:{}", room.as_str()));
        let (count,): (usize,) = backend.redis.query(&counting).await.unwrap();
        count
    };
    assert_eq!(stored(&silent).await, 50);
    assert!(stored(&lobby).await > 50);
    let view = View {
        room: silent.clone(),
        reader: ann.id,
    };
    let page = backend.page_after(view, Some(1)).await.unwrap();
    assert!(page.reset.is_some());

    // Now rooms that have only one message each, which is less than a room keeps.
    for number in 900..1_400 {
        let room = RoomName::parse(&format!("small-{number}")).unwrap();
        let message = NewMessage::test(&number.to_string(), &text, None);
        backend.append(&room, &ann, message).await.unwrap();
    }
    let reopened = RedisBackend::open(client(&server), Rooms::new(20, EVENT_BUFFER), 10).await;
    assert!(reopened.is_ok(), "a chat starts on a Redis that is full");
    let large = "x".repeat(20_000);
    for number in 1_400..1_500 {
        let message = NewMessage::test(&number.to_string(), &large, None);
        backend.append(&lobby, &ann, message).await.unwrap();
    }
}
