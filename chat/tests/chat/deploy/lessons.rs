//! The pages of all six lessons in a browser, over TLS.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::catalog::LESSONS;
use testing::browser::{Browser, Tab};
use testing::redis::Redis;
use testing::{Server, build_programs};

use super::{Proxy, join, start_chat};

/// How many connections a browser opens to one host over HTTP/1.1.
const CONNECTIONS: usize = 6;

/// How many seconds a poll of the chat may wait.
const LONGEST_WAIT: u64 = 60;

/// The number of the lesson with SSE.
const SSE: usize = 4;

/// JavaScript for the protocol that has carried the page: `http/1.1` or `h2`.
const PROTOCOL: &str = "performance.getEntriesByType('navigation')[0].nextHopProtocol";

/// Everything that the file is about.
struct Course {
    _redis: Redis,
    lessons: Vec<Server>,
    chats: Vec<Server>,
    proxy: Proxy,
}

fn start() -> Course {
    let redis = Redis::start();
    let chats: Vec<_> = (0..3).map(|_| start_chat(0, &redis)).collect();
    let names = || LESSONS[..5].iter().map(|lesson| lesson.name);
    let programs = build_programs(names());
    let start = |name| Server::start(programs.join(name).to_str().unwrap(), &[]);
    let lessons: Vec<_> = names().map(start).collect();
    let proxy = Proxy::start(&lessons, &chats);
    Course {
        _redis: redis,
        lessons,
        chats,
        proxy,
    }
}

#[tokio::test]
#[ignore = "needs nginx, redis-server, a browser and its driver"]
async fn all_six_lessons_work_over_tls_and_news_arrives_while_a_stream_is_open() {
    let course = start();
    let long_wait = tokio::spawn(wait_as_long_as_allowed(&course));
    let browser = Browser::start().await;
    for lesson in 1..=5 {
        eprintln!("lesson {lesson}"); // The test runner shows it if the lesson does not work.
        let url = course.proxy.url("localhost", lesson);
        let [a, b] = [
            browser.open_lesson_at(&url).await,
            browser.open_lesson_at(&url).await,
        ];
        assert_eq!(a.evaluate(PROTOCOL).await, "h2");
        a.type_text("input[name=username]", "Bob\n").await;
        for tab in [&a, &b] {
            tab.until_users(&["张三", "Alice", "Bob"]).await;
        }
        // Each second is a small piece of a stream. A proxy that collects them would show none of them in time.
        b.click("#clock-toggle").await;
        b.until_clock().await;
        b.until_next_second().await;
        b.until_next_second().await;
        if lesson == 5 {
            a.type_text("#echo input[name=text]", "hello\n").await;
            a.until("document.getElementById('echo-answer').textContent.includes('hello')")
                .await;
        }
        browser.leave_all().await;
    }
    the_login_works(&browser, &course.proxy).await;
    the_chat_works(&browser, &course.proxy).await;
    assert_eq!(browser.console_errors().await, [""; 0]);
    assert_eq!(long_wait.await.unwrap(), 200, "nginx waits for longer");
}

/// Sends the longest poll, in a room of its own, and returns the status of its response.
fn wait_as_long_as_allowed(course: &Course) -> impl Future<Output = u16> + use<> {
    let (client, proxy) = (course.chats[0].client.clone(), course.proxy.plain_address());
    async move {
        let name = json!({ "name": "patient" });
        let session = client.post(format!("http://{proxy}/session")).json(&name);
        let session: Value = session.send().await.unwrap().json().await.unwrap();
        let poll = async |wait: u64, after: &str| {
            let url = format!("http://{proxy}/rooms/quiet/messages?wait={wait}{after}");
            let request = client
                .get(url)
                .bearer_auth(session["token"].as_str().unwrap());
            request.send().await.unwrap()
        };
        let first: Value = poll(0, "").await.json().await.unwrap();
        let after = format!("&after={}", first["cursor"].as_str().unwrap());
        let start = Instant::now();
        let response = poll(LONGEST_WAIT, &after).await;
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        assert!(
            start.elapsed() >= Duration::from_secs(LONGEST_WAIT),
            "{body}"
        );
        status
    }
}

async fn the_login_works(browser: &Browser, proxy: &Proxy) {
    let login = browser.open(&(proxy.url("localhost", 1) + "login")).await;
    login.until("!document.getElementById('code').hidden").await;
    let link = login.evaluate("document.getElementById('link').href").await;
    let phone = browser.open(link.as_str().unwrap()).await;
    phone
        .until("!document.getElementById('choice').disabled")
        .await;
    phone.type_text("#username", "Ann\n").await;
    login
        .until("document.getElementById('status').textContent.startsWith('Logged in as Ann')")
        .await;
}

async fn the_chat_works(browser: &Browser, proxy: &Proxy) {
    let [ann, bob] = [
        join(browser, proxy, "Ann").await,
        join(browser, proxy, "Bob").await,
    ];
    assert_eq!(ann.evaluate(PROTOCOL).await, "h2");
    let mut texts = Vec::new();
    for transport in ["websocket", "sse", "long-poll"] {
        for tab in [&ann, &bob] {
            choose_transport(tab, transport).await;
        }
        ann.type_text("#text", &format!("{transport}\n")).await;
        texts.push(transport);
        for tab in [&ann, &bob] {
            until_texts(tab, &texts).await;
        }
    }
}

async fn choose_transport(tab: &Tab<'_>, transport: &str) {
    tab.evaluate(&format!(
        "(() => {{ const select = document.getElementById('transport');
            select.value = '{transport}'; select.dispatchEvent(new Event('change')); return null; }})()"
    ))
    .await;
    tab.until(&format!(
        "document.getElementById('status').dataset.transport === '{transport}'"
    ))
    .await;
    tab.until_status("open").await;
}

async fn until_texts(tab: &Tab<'_>, texts: &[&str]) {
    let shown = "[...document.querySelectorAll('#messages li[data-id] .text')].map((text) => text.textContent)";
    let wanted = json!(json!(texts).to_string());
    tab.until(&format!("JSON.stringify({shown}) === {wanted}"))
        .await;
}

#[tokio::test]
#[ignore = "needs nginx, redis-server, a browser and its driver"]
async fn seven_tabs_of_lesson_4_load_over_http_2_and_over_http_1_the_seventh_hangs() {
    let course = start();
    let browser = Browser::start().await;
    let url = course.proxy.url("localhost", SSE);
    let mut tabs = Vec::new();
    for _ in 0..=CONNECTIONS {
        tabs.push(browser.open_lesson_at(&url).await);
    }
    course.lessons[SSE - 1].add_user("Bob").await;
    for tab in &tabs {
        tab.until_users(&["张三", "Alice", "Bob"]).await;
    }
    browser.leave_all().await;

    // The same server without the proxy, under two names. A browser counts its connections for each name.
    let port = course.lessons[SSE - 1].address().port();
    let direct = |host: &str| format!("http://{host}.localhost:{port}/");
    let mut tabs = Vec::new();
    for _ in 0..CONNECTIONS {
        tabs.push(browser.open_lesson_at(&direct("one")).await);
    }
    assert_eq!(tabs[0].evaluate(PROTOCOL).await, "http/1.1");
    let seventh = browser.open_empty().await;
    let go = format!("location.assign('{}')", direct("one"));
    seventh.evaluate(&go).await;
    let other = browser.open_lesson_at(&direct("other")).await;
    other.until_users(&["张三", "Alice", "Bob"]).await;
    assert!(!seventh.has_loaded().await);
    // It loads as soon as one of the six is closed.
    tabs[0].evaluate("location.replace('about:blank')").await;
    seventh.until_users(&["张三", "Alice", "Bob"]).await;
}
