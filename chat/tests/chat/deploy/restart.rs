//! A deploy loses nobody: every server is replaced while people write.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use testing::browser::{Browser, Tab};
use testing::redis::Redis;
use testing::{Server, Signal, TEST_TIMEOUT, eventually};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use super::{Proxy, join, start_chat};
use crate::client::{LOBBY, Person, Socket, TRANSPORTS, Transport};
use crate::crash::{Follower, assert_nothing_lost};

/// How often each server is restarted.
const ROUNDS: usize = 2;

/// How many messages must be acknowledged between two restarts.
const BETWEEN_RESTARTS: usize = 60;

/// The pause after each message of a writer, so that a test on a fast machine has no more messages than on a slow one.
const PAUSE: Duration = Duration::from_millis(20);

/// JavaScript that collects the messages of the page by their ids. The page itself shows only the latest 300.
const COLLECT: &str = "(() => {
    window.collected = new Map();
    window.hasSomebodyLeft = false;
    const list = document.getElementById('messages');
    const collect = () => {
        for (const item of list.querySelectorAll('li[data-id]')) {
            collected.set(Number(item.dataset.id), item.querySelector('.text').textContent);
        }
        hasSomebodyLeft ||= list.textContent.includes('has left');
    };
    new MutationObserver(collect).observe(list, { attributes: true, childList: true, subtree: true });
    return null;
})()";

/// JavaScript for the texts of the collected messages, in the order of their ids.
const COLLECTED: &str = "[...collected].sort(([a], [b]) => a - b).map(([, text]) => text)";

/// JavaScript for the texts of the messages that the page shows, in their order.
const SHOWN: &str =
    "[...document.querySelectorAll('#messages li[data-id] .text')].map((text) => text.textContent)";

/// How many messages are sent at once to three servers, one of which hangs. It gets at least two of them: each of two
/// processes of nginx takes the servers in turn.
const AT_ONCE: u64 = 9;

/// At most so many of them do not get to the server that hangs.
const ELSEWHERE: usize = 5;

/// What all writers share.
#[derive(Clone, Default)]
struct Progress {
    acknowledged: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Progress {
    /// Counts a message that has been acknowledged. Returns whether the writer has to stop.
    async fn add_one(&self) -> bool {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        sleep(PAUSE).await;
        self.is_over.load(Ordering::Relaxed)
    }

    /// Waits until further messages have been acknowledged.
    async fn wait(&self) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + BETWEEN_RESTARTS;
        let is_reached = || self.acknowledged.load(Ordering::Relaxed) >= goal;
        eventually("more messages", 2 * TEST_TIMEOUT, is_reached).await;
    }
}

/// Starts a task that posts numbers. nginx sends a POST that a server does not answer to another one, so not even one
/// may fail.
fn post_numbers(
    proxy: &str,
    person: &Person,
    first: u64,
    progress: &Progress,
) -> JoinHandle<Range<u64>> {
    let (person, progress) = (person.clone(), progress.clone());
    let url = format!("http://{proxy}{LOBBY}/messages");
    tokio::spawn(async move {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut number = first;
        loop {
            let body = json!({ "key": number.to_string(), "text": number.to_string() });
            let response = person.try_post(url.clone(), &client, &body).await;
            let status = response.expect("a response").status();
            assert!(status.is_success(), "{number}: {status}");
            number += 1;
            if progress.add_one().await {
                return first..number;
            }
        }
    })
}

/// Starts a task that sends numbers over a WebSocket. It connects again after a restart, and repeats the number that
/// was not acknowledged.
fn send_numbers(
    proxy: &str,
    person: &Person,
    first: u64,
    progress: &Progress,
) -> JoinHandle<Range<u64>> {
    let (person, progress) = (person.clone(), progress.clone());
    let address = format!("ws://{proxy}{LOBBY}/ws?after=0");
    tokio::spawn(async move {
        let mut number = first;
        loop {
            let Ok(mut socket) = Socket::dial(&address, &person).await else {
                sleep(PAUSE).await;
                continue;
            };
            while socket.acknowledge(number).await.is_some() {
                number += 1;
                if progress.add_one().await {
                    return first..number;
                }
            }
        }
    })
}

/// Stops a server as a service manager does, and starts another one on the same port.
async fn restart(server: Server, redis: &Arc<Redis>) -> Server {
    let redis = Arc::clone(redis);
    // On another thread, because the writers must go on meanwhile.
    let restarting = spawn_blocking(move || {
        let port = server.address().port();
        server.signal(Signal::TERM);
        let exit = server.wait();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        start_chat(port, &redis)
    });
    restarting.await.unwrap()
}

/// A server that hangs and dies has accepted messages, and nobody knows whether it has stored them. nginx may repeat
/// them, because a message has a key.
#[tokio::test]
#[ignore = "needs nginx and redis-server"]
async fn messages_that_a_dying_server_has_accepted_go_to_the_next_one() {
    let redis = Redis::start();
    let servers: Vec<_> = (0..3).map(|_| start_chat(0, &redis)).collect();
    let proxy = Proxy::start(&[], &servers);
    let ann = Person::join(&servers[0], "Ann").await;
    servers[0].signal(Signal::STOP);
    let answered = Arc::new(AtomicUsize::default());
    let mut posts = Vec::new();
    for number in 0..AT_ONCE {
        let (ann, answered) = (ann.clone(), Arc::clone(&answered));
        let client = servers[0].client.clone();
        let url = format!("http://{}{LOBBY}/messages", proxy.plain_address());
        posts.push(tokio::spawn(async move {
            let body = json!({ "key": number.to_string(), "text": number.to_string() });
            let response = ann.try_post(url, &client, &body).await;
            answered.fetch_add(1, Ordering::Relaxed);
            response.expect("a response").status()
        }));
    }
    let are_answered = || answered.load(Ordering::Relaxed) >= ELSEWHERE;
    eventually("the others", TEST_TIMEOUT, are_answered).await;
    servers[0].signal(Signal::KILL);
    for post in posts {
        assert_eq!(post.await.unwrap(), 201);
    }
    ann.post_text(&servers[1], "end", None).await;
    let follower = Follower::new(&[&servers[1]], &ann, Transport::LongPoll);
    let mut numbers = follower.follow().await;
    numbers.sort_unstable();
    assert_eq!(numbers, (0..AT_ONCE).collect::<Vec<_>>());
}

async fn say(tab: &Tab<'_>, text: &str) {
    tab.type_text("#text", &format!("{text}\n")).await;
}

#[tokio::test]
#[ignore = "needs nginx, redis-server, a browser and its driver"]
async fn a_deploy_neither_loses_a_message_nor_lets_anybody_leave() {
    let redis = Arc::new(Redis::start());
    let mut servers: Vec<_> = (0..3).map(|_| start_chat(0, &redis)).collect();
    let proxy = Proxy::start(&[], &servers);
    let address = proxy.plain_address();
    let mut people = Vec::new();
    for name in ["Ann", "Bob", "Cid"] {
        people.push(Person::join(&servers[0], name).await);
    }
    let browser = Browser::start().await;
    let page = join(&browser, &proxy, "Dora").await;
    page.evaluate(COLLECT).await;

    // Each person reads over another transport, and writes.
    let all: Vec<_> = servers.iter().collect();
    let followers = people.iter().zip(TRANSPORTS).map(|(person, transport)| {
        let follower = Follower::new(&all, person, transport).behind(&address);
        tokio::spawn(follower.follow())
    });
    let followers = followers.collect();
    let progress = Progress::default();
    let writers = [
        send_numbers(&address, &people[0], 1_000_000, &progress),
        post_numbers(&address, &people[1], 2_000_000, &progress),
        post_numbers(&address, &people[2], 3_000_000, &progress),
    ];
    let first_of_page = 4_000_000;
    let mut of_page = first_of_page..first_of_page;
    progress.wait().await;
    for _ in 0..ROUNDS {
        for index in 0..servers.len() {
            say(&page, &of_page.end.to_string()).await;
            let server = servers.remove(index);
            servers.insert(index, restart(server, &redis).await);
            say(&page, &(of_page.end + 1).to_string()).await;
            of_page.end += 2;
            progress.wait().await;
        }
    }
    progress.is_over.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.push(writer.await.unwrap());
    }
    page.until("!document.querySelector('[data-pending]')")
        .await;
    acknowledged.push(of_page);
    people[0].post_text(&servers[0], "end", None).await;
    let numbers = assert_nothing_lost(&acknowledged, followers).await;
    the_page_has_all(&page, &numbers).await;
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// Checks that the page has shown each of the numbers once and in order, and then `end`.
async fn the_page_has_all(page: &Tab<'_>, numbers: &[u64]) {
    let mut texts: Vec<_> = numbers.iter().map(u64::to_string).collect();
    texts.push("end".into());
    page.until(&format!("{SHOWN}.at(-1) === 'end'")).await;
    assert_eq!(page.evaluate(COLLECTED).await, json!(texts));
    let shown = page.evaluate(SHOWN).await;
    let count = shown.as_array().map_or(0, Vec::len);
    assert!(count > BETWEEN_RESTARTS, "{count}");
    assert_eq!(shown, json!(texts[texts.len() - count..]), "in their order");
    assert_eq!(page.evaluate("hasSomebodyLeft").await, Value::Bool(false));
}
