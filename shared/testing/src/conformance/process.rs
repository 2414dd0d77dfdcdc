//! The process: errors at the start, data that survives a kill, and a clean stop.

use std::{fs, net::TcpListener, thread};

use serde_json::Value;

use super::{STOP_LIMIT, Server, Target, expect_error};
use crate::{Signal, run};

/// A flag with a value that prevents the start, the exit code, and two parts of the message on stderr.
type BadStart<'text> = (&'text str, &'text str, i32, [&'text str; 2]);

/// Starts that fail on every machine.
const BAD_STARTS: &[BadStart<'_>] = &[
    ("--host", "192.0.2.1", 1, ["192.0.2.1", "--host"]),
    ("--host", "no host", 1, ["no host", "variable HOST"]),
    ("--port", "70000", 2, ["70000", "--port"]),
    ("--heartbeat", "0", 2, ["--heartbeat", "0.05"]),
    ("--heartbeat", "NaN", 2, ["--heartbeat", "NaN"]),
    (
        "--allow-origin",
        "example.org",
        2,
        ["--allow-origin", "https://example.org"],
    ),
    ("--frobnicate", "1", 2, ["--frobnicate", "Usage"]),
];

pub(super) fn a_server_that_cannot_start_says_why(target: Target) {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let here: BadStart<'_> = ("--port", &port, 1, ["is taken", "--port"]);
    for start in [here].iter().chain(BAD_STARTS) {
        does_not_start(target, start);
    }
}

/// Checks that the server does not start, and that one line on stderr explains why.
fn does_not_start(target: Target, (flag, value, code, parts): &BadStart<'_>) {
    let exit = run(target.binary, &[target.flags, &[flag, value]].concat());
    let message = exit.stderr.trim_end();
    assert_eq!(exit.code, Some(*code), "{flag} {value}: {message}");
    assert!(
        parts.iter().all(|part| message.contains(part)),
        "{flag} {value}: {message}"
    );
    assert!(!message.contains("panicked"), "{flag} {value}: {message}");
    assert!(
        *code == 2 || message.lines().count() == 1,
        "one line: {message}"
    );
}

pub(super) fn a_users_file_that_cannot_be_used_is_not_changed(binary: &'static str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (broken, missing) = (path("users.json"), path("none/users.json"));
    fs::write(&broken, "{\n  oops").expect("a file");
    let starts: [BadStart<'_>; 2] = [
        ("--users", &broken, 1, ["line 2 column 3", "not changed"]),
        ("--users", &missing, 1, ["No such file", "folder exists"]),
    ];
    for start in &starts {
        does_not_start(Target::lesson(binary), start);
    }
    assert_eq!(
        fs::read_to_string(broken).expect("a file"),
        "{\n  oops",
        "not changed"
    );
}

pub(super) async fn flags_can_be_set_by_the_environment(target: Target) {
    let flags: Vec<_> = target.flags.chunks(2).map(in_environment).collect();
    let mut environment = vec![
        ("HOST", "localhost"),
        ("HEARTBEAT", "7.5"),
        ("ALLOW_ORIGIN", "http://a.example,http://b.example"),
    ];
    environment.extend(flags.iter().map(|(name, value)| (name.as_str(), *value)));
    let server = Server::start_with(target.binary, &environment);
    assert!(server.address().is_ipv4(), "localhost means 127.0.0.1");
    let page = server.get("/").await.text().await.expect("text");
    assert!(page.contains(r#" data-heartbeat="7.5""#), "{page}");
    for origin in ["http://a.example", "http://b.example"] {
        let request = server
            .client
            .delete(server.url("/nowhere"))
            .header("Origin", origin);
        assert_eq!(
            request.send().await.expect("a response").status(),
            404,
            "not 403: {origin}"
        );
    }
}

/// Returns the environment variable for a flag. For `--max-message 7` the name is `MAX_MESSAGE` and the value is `7`.
fn in_environment<'text>(flag: &[&'text str]) -> (String, &'text str) {
    let name = flag[0].trim_start_matches('-').replace('-', "_");
    (name.to_uppercase(), flag[1])
}

pub(super) async fn a_users_file_that_cannot_be_written_is_not_healthy(binary: &'static str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("users.json");
    let server = Server::start(binary, &["--users", path.to_str().expect("UTF-8")]);
    let health = async || {
        let response = server.client.get(server.url("/health")).send().await;
        response.expect("a response")
    };
    assert_eq!(health().await.status(), 200);
    // The new file is written beside the old one under this name, which is now taken.
    let new_file = folder.path().join("users.json.new");
    fs::create_dir(&new_file).expect("a folder");
    expect_error(health().await, 503, "not writable").await;
    fs::remove_dir(&new_file).expect("an empty folder");
    assert_eq!(health().await.status(), 200);
}

pub(super) async fn the_users_file_can_be_set_by_the_environment(binary: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users.json");
    let server = Server::start_with(binary, &[("USERS", file.to_str().expect("UTF-8"))]);
    server.add_user("saved").await;
    assert!(file.is_file());
}

pub(super) async fn an_acknowledged_user_survives_a_kill(binary: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users.json");
    let flags = ["--users", file.to_str().expect("a path in UTF-8")];
    for round in 3..8 {
        let server = Server::start(binary, &flags);
        assert_eq!(server.add_user(&format!("user {round}")).await, round);
        server.signal(Signal::KILL);
        assert_eq!(server.wait().code, None, "ended by the signal");
    }
    let saved: Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
    let ids: Vec<_> = saved["users"]
        .as_array()
        .expect("users")
        .iter()
        .map(|user| &user["id"])
        .collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7]);
}

pub(super) async fn a_stop_is_quick_and_clean(target: Target) {
    let mut stopping = Vec::new();
    for signal in [Signal::TERM, Signal::INT] {
        let server = target.start(&[]);
        // These connections are open: an idle one, one with incomplete headers, and one with an incomplete body.
        server.get("/shared/icon.svg").await;
        let half_headers = server.send_raw("GET / HTTP/1.1\r\nHost").await;
        let json = "HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        let post = format!("POST {} {json}", target.post);
        let half_body = server
            .send_raw(&format!("{post}Content-Length: 100\r\n\r\n{{"))
            .await;
        server.signal(signal);
        let waiting = thread::spawn(|| server.wait());
        stopping.push((signal, waiting, half_headers, half_body));
    }
    for (signal, waiting, ..) in stopping {
        let exit = waiting.join().expect("an end");
        assert_eq!(exit.code, Some(0), "{signal:?}: {}", exit.stderr);
        assert!(exit.elapsed < STOP_LIMIT, "{signal:?}: {:?}", exit.elapsed);
    }
}
