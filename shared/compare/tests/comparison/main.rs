//! What `compare` promises, checked over real sockets: it starts the five lessons, shows them, and ends them.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a wrong response ends the test"
)]

mod folder;
mod started;

use std::fs;
use std::net::TcpListener;

use folder::Folder;
use started::{Comparison, LESSONS, in_time, lesson_origins};
use testing::{Signal, TEST_TIMEOUT, eventually, run};
use tokio::net::TcpStream;

#[tokio::test]
async fn each_lesson_may_be_shown_and_changed_by_the_page() {
    let server = Comparison::start(&[]);
    let page = server.get("/").await;
    let policy = page.headers()["content-security-policy"].clone();
    let policy = policy.to_str().unwrap().to_owned();
    let origins = lesson_origins(&server).await;
    assert_eq!(origins.len(), 5, "{policy}");
    for origin in &origins {
        assert_eq!(policy.matches(origin).count(), 2, "frames and requests");
        for own in ["127.0.0.1", "localhost"] {
            let own = format!("http://{own}:{}", server.address().port());
            let frame = server.client.get(format!("{origin}/?view=timeline"));
            let frame = frame.send().await.unwrap();
            let ancestors = frame.headers()["content-security-policy"].to_str().unwrap();
            assert!(ancestors.contains(&own), "{ancestors}");
            let change = server.client.post(format!("{origin}/users"));
            let change = change
                .header("Origin", &own)
                .header("Content-Type", "application/json");
            let change = change.body(r#"{"username":"One change"}"#).send().await;
            assert_eq!(change.unwrap().status(), 201, "{own}");
        }
    }
}

/// People type either name of this machine. A cookie belongs to one of them, and the frames need the language, too.
#[tokio::test]
async fn the_frames_have_the_host_of_the_page() {
    let server = Comparison::start(&[]);
    let port = server.address().port();
    for (host, expected) in [
        (format!("127.0.0.1:{port}"), "http://127.0.0.1:"),
        (format!("localhost:{port}"), "http://localhost:"),
        ("elsewhere.example".to_owned(), "http://127.0.0.1:"),
    ] {
        let page = server.client.get(server.url("/")).header("Host", &host);
        let page = page.send().await.unwrap();
        let policy = page.headers()["content-security-policy"].clone();
        assert_eq!(policy.to_str().unwrap().matches(expected).count(), 10);
        let page = page.text().await.unwrap();
        assert_eq!(page.matches("data-src=").count(), 5);
        let frame = format!("data-src=\"{expected}");
        assert_eq!(page.matches(&frame).count(), 5, "{host}");
        assert_eq!(page.matches(&format!("href=\"{expected}")).count(), 5);
    }
}

#[tokio::test]
async fn the_files_of_the_page_are_there_and_other_files_are_not() {
    let server = Comparison::start(&[]);
    for path in [
        "/static/compare.js",
        "/static/lesson.js",
        "/shared/sentences.js",
        "/shared/wire/numbers.js",
        "/shared/style.css",
    ] {
        assert_eq!(server.get(path).await.status(), 200, "{path}");
    }
    for path in [
        "/static/",
        "/shared/../src/lib.rs",
        "/static/%2e%2e/Cargo.toml",
        "/users",
    ] {
        assert_eq!(server.get(path).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn ctrl_c_and_sigterm_end_all_lessons() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Comparison::start(&[]);
        let origins = lesson_origins(&server).await;
        let exit = server.end(signal);
        assert_eq!(exit.code, Some(0), "{signal:?}: {}", exit.stderr);
        for origin in origins {
            let address = origin.trim_start_matches("http://");
            let connected = TcpStream::connect(address).await;
            assert!(connected.is_err(), "{signal:?}: {origin} still listens");
        }
    }
}

#[tokio::test]
async fn if_one_lesson_does_not_start_all_others_end() {
    // The last one, so that all others run already.
    let folder = Folder::with(&[("websocket", "ends.sh")]);
    let compare = folder.path("compare");
    let exit = in_time(move || run(&compare, &["--port", "0"]));
    assert_eq!(exit.code, Some(1), "{}", exit.stderr);
    assert_eq!(exit.stderr.lines().count(), 1, "one line: {}", exit.stderr);
    assert!(
        exit.stderr
            .starts_with("compare: lesson websocket has ended"),
        "{}",
        exit.stderr
    );
    for lesson in &LESSONS[..4] {
        // It may have been ended before it could write its number.
        assert!(!folder.process(lesson).is_some_and(is_running), "{lesson}");
    }
}

#[tokio::test]
async fn a_lesson_that_ignores_sigterm_is_killed() {
    let folder = Folder::with(&[("sse", "ignores-stop.sh")]);
    let server = Comparison::of(&folder.path("compare"), &[]);
    assert_eq!(server.end(Signal::TERM).code, Some(0));
    for lesson in LESSONS {
        assert!(!is_running(folder.process(lesson).unwrap()), "{lesson}");
    }
}

#[tokio::test]
async fn a_signal_during_the_start_ends_all_lessons() {
    let folder = Folder::with(&[("polling", "never-listens.sh")]);
    let starting = folder.spawn(&[]);
    let has_process = || {
        LESSONS
            .iter()
            .all(|lesson| folder.process(lesson).is_some())
    };
    eventually("all processes run", TEST_TIMEOUT, has_process).await;
    starting.signal(Signal::TERM);
    let (code, stderr) = starting.wait().await;
    assert_eq!(code, Some(0), "{stderr}");
    for lesson in LESSONS {
        assert!(!is_running(folder.process(lesson).unwrap()), "{lesson}");
    }
}

#[test]
fn a_start_that_cannot_succeed_gets_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = Folder::with(&[]);
    fs::remove_file(folder.path("sse")).unwrap();
    for (flags, part) in [
        (["--port", &port], "is taken"),
        (
            ["--port", "0"],
            "lesson sse is not built. Run `cargo run -p compare`",
        ),
    ] {
        let exit = run(&folder.path("compare"), &flags);
        assert_eq!(exit.code, Some(1), "{}", exit.stderr);
        assert_eq!(exit.stderr.lines().count(), 1, "{}", exit.stderr);
        assert!(exit.stderr.contains(part), "{}", exit.stderr);
    }
}

/// `cargo run -p compare` builds only `compare`.
#[tokio::test]
async fn under_cargo_the_lessons_are_built_first() {
    let folder = Folder::with(&[("cargo", "cargo.sh")]);
    let starting = folder.spawn(&[("CARGO", &folder.path("cargo"))]);
    let (code, stderr) = starting.wait().await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("compare: builds the five lessons"),
        "{stderr}"
    );
    assert!(stderr.contains("the lessons cannot be built"), "{stderr}");
    let arguments = fs::read_to_string(folder.path("arguments")).unwrap();
    assert!(arguments.starts_with("build --profile "), "{arguments}");
    for lesson in LESSONS {
        assert!(arguments.contains(&format!(" -p {lesson} ")), "{arguments}");
        assert_eq!(
            folder.process(lesson),
            None,
            "{lesson} has not been started"
        );
    }
}

/// Returns whether a process runs. One that has ended may remain as a zombie until its parent asks for it.
fn is_running(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat"));
    status.is_ok_and(|status| {
        status
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| !rest.starts_with('Z'))
    })
}
