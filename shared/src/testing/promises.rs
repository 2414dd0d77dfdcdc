//! What every lesson promises, whatever its technique: `POST /users` and `DELETE /users/{id}`, clear
//! errors, limits, the same-origin rule, headers, flags, saving and stopping.
//!
//! Each lesson's tests call [`keeps_them_all`] with their own binary.

use std::{fs, net::TcpListener, time::Duration};

use reqwest::{Method, Response, StatusCode, header};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{PATIENCE, Server, eventually, read_until, run};

/// A stop, with whatever is still open, takes less than this.
pub const STOP_LIMIT: Duration = Duration::from_secs(2);

/// Checks every promise of this module against the lesson `binary`.
pub async fn keeps_them_all(binary: &str) {
    users_are_added_and_removed(binary).await;
    bad_input_gets_a_clear_error(binary).await;
    a_body_that_is_too_large_or_breaks_off_changes_nothing(binary).await;
    files_are_served_and_folders_are_not_listed(binary).await;
    the_user_after_the_last_that_fits_is_refused(binary).await;
    another_site_may_not_change_anything(binary).await;
    a_hostile_name_stays_data(binary).await;
    only_the_own_machine_may_cut(binary).await;
    head_is_get_without_a_body(binary).await;
    a_thousand_requests_at_once_are_all_answered(binary).await;
    a_server_that_cannot_start_says_why(binary).await;
    an_acknowledged_user_survives_a_kill(binary).await;
    a_stop_is_quick_and_clean(binary).await;
}

/// The users that `server` has now, as `GET /` and `GET /users` cannot tell for every technique: one
/// is added, and its id says how many were added before.
async fn next_id(server: &Server) -> u64 {
    server.add_user("probe").await
}

async fn send(server: &Server, method: Method, path: &str, kind: &str, body: &str) -> Response {
    let request = server.client.request(method, server.url(path));
    let request = request
        .header(header::CONTENT_TYPE, kind)
        .body(body.to_owned());
    request.send().await.expect("an answer")
}

/// Checks that `response` is an error of `status` with a sentence.
async fn expect_error(response: Response, status: u16, request: &str) {
    assert_eq!(response.status(), status, "{request}");
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/json",
        "{request}"
    );
    let body: Value = response.json().await.expect("JSON");
    let sentence = body["error"].as_str().expect("a sentence");
    assert!(
        sentence.len() > 20 && sentence.contains(' '),
        "{request}: {sentence:?}"
    );
    assert_eq!(
        body.as_object().map(serde_json::Map::len),
        Some(1),
        "{request}: {body}"
    );
}

async fn users_are_added_and_removed(binary: &str) {
    let server = Server::start(binary, &[]);
    let json = "application/json; charset=utf-8";
    let response = send(
        &server,
        Method::POST,
        "/users",
        json,
        r#"{"username":" 李四 "}"#,
    )
    .await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()[header::LOCATION], "/users/3");
    let user: Value = response.json().await.expect("JSON");
    assert_eq!(user, json!({"id": 3, "username": "李四"}), "trimmed");

    let remove = || server.client.delete(server.url("/users/3")).send();
    let response = remove().await.expect("an answer");
    assert_eq!(response.status(), 204);
    expect_error(
        remove().await.expect("an answer"),
        404,
        "DELETE /users/3 again",
    )
    .await;
    assert_eq!(next_id(&server).await, 4, "an id is never used again");
}

async fn bad_input_gets_a_clear_error(binary: &str) {
    let server = Server::start(binary, &[]);
    let (json, long) = (
        "application/json",
        format!(r#"{{"username":"{}"}}"#, "x".repeat(33)),
    );
    for (kind, body, status) in [
        (json, "", 400),
        (json, "{", 400),
        (json, "\u{feff}{}", 400),
        (json, "[]", 400),
        (json, "null", 400),
        (json, "{}", 400),
        (json, r#"{"username":7}"#, 400),
        (json, r#"{"username":null}"#, 400),
        (json, r#"{"name":"Bob"}"#, 400),
        (json, r#"{"username":"Bob","admin":true}"#, 400),
        (json, r#"{"username":"\ud800"}"#, 400),
        (json, r#"{"username":""}"#, 422),
        (json, r#"{"username":" \t "}"#, 422),
        (json, r#"{"username":"a\nb"}"#, 422),
        (json, r#"{"username":"a\u0000b"}"#, 422),
        (json, long.as_str(), 422),
        ("text/plain", r#"{"username":"Bob"}"#, 415),
        ("application/x-www-form-urlencoded", "username=Bob", 415),
        ("", r#"{"username":"Bob"}"#, 415),
    ] {
        let response = send(&server, Method::POST, "/users", kind, body).await;
        expect_error(response, status, &format!("{kind}: {body}")).await;
    }
    for (method, path, status, allow) in [
        (Method::GET, "/nowhere", 404, None),
        (Method::POST, "/nowhere", 404, None),
        (Method::GET, "/users/", 404, None),
        (Method::DELETE, "/users/99", 404, None),
        (Method::DELETE, "/users/abc", 400, None),
        (Method::DELETE, "/users/-1", 400, None),
        (Method::DELETE, "/users/99999999999999999999", 400, None),
        (Method::PUT, "/users", 405, Some("GET, HEAD, POST")),
        (Method::GET, "/users/1", 405, Some("DELETE")),
        (Method::POST, "/clock", 405, Some("GET, HEAD")),
        (Method::DELETE, "/", 405, Some("GET, HEAD")),
        (Method::GET, "/cut", 405, Some("POST")),
        (Method::PUT, "/static/client.js", 405, Some("GET, HEAD")),
    ] {
        let request = format!("{method} {path}");
        let response = send(&server, method, path, json, "{}").await;
        let allowed = response
            .headers()
            .get(header::ALLOW)
            .map(|allow| allow.to_str().expect("text"));
        assert_eq!(allowed, allow, "{request}");
        expect_error(response, status, &request).await;
    }
    assert_eq!(next_id(&server).await, 3, "nothing of that added a user");
}

async fn a_body_that_is_too_large_or_breaks_off_changes_nothing(binary: &str) {
    let server = Server::start(binary, &[]);
    let body = format!(r#"{{"username":"Bob"{}}}"#, " ".repeat(4096));
    let response = send(&server, Method::POST, "/users", "application/json", &body).await;
    expect_error(response, 413, "5 KB with a length").await;

    let head = "POST /users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let chunks = format!("Transfer-Encoding: chunked\r\n\r\n1012\r\n{body}");
    let mut connection = server.send_raw(&format!("{head}{chunks}")).await;
    let answer = read_until(&mut connection, |text| text.contains("\r\n\r\n")).await;
    assert!(
        answer.starts_with("HTTP/1.1 413"),
        "5 KB in chunks without an end: {answer}"
    );

    let mut liar = server
        .send_raw(&format!("{head}Content-Length: 10000000000\r\n\r\n{{"))
        .await;
    let answer = read_until(&mut liar, |text| text.contains("\r\n\r\n")).await;
    assert!(
        answer.starts_with("HTTP/1.1 413"),
        "10 GB announced: {answer}"
    );

    let before = server.connections();
    let short = format!("{head}Content-Length: 100\r\n\r\n{{\"username\":\"Bob\"}}");
    drop(server.send_raw(&short).await);
    eventually("a client that broke off is gone", PATIENCE, || {
        server.connections() <= before
    })
    .await;

    let garbage = "\u{1}\u{2}\u{3} / HTTP/9.9\r\n\r\n";
    let answer = read_until(&mut server.send_raw(garbage).await, |_| false).await;
    assert!(
        answer.starts_with("HTTP/1.1 400") || answer.is_empty(),
        "{answer}"
    );
    assert_eq!(next_id(&server).await, 3, "nothing of that added a user");
}

async fn files_are_served_and_folders_are_not_listed(binary: &str) {
    let server = Server::start(binary, &[]);
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/static/client.js", "text/javascript"),
        ("/shared/page.js", "text/javascript"),
        ("/shared/style.css", "text/css; charset=utf-8"),
        ("/shared/icon.svg", "image/svg+xml"),
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let head = response.headers();
        assert_eq!(head[header::CONTENT_TYPE], kind, "{path}");
        assert_eq!(
            head[header::CACHE_CONTROL],
            "no-cache",
            "an edit shows on reload: {path}"
        );
        assert_eq!(head[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(head[header::REFERRER_POLICY], "same-origin", "{path}");
        let policy = head[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .expect("text");
        assert!(
            policy.starts_with("default-src 'self'") && !policy.contains("unsafe"),
            "{policy}"
        );
    }
    for path in [
        "/static/",
        "/static",
        "/shared/",
        "/static/none.js",
        "/static/.gitignore",
    ] {
        let response = server.get(path).await;
        let status = response.status().as_u16();
        assert!(status == 404 || status == 400, "{path}: {status}");
        expect_error(response, status, path).await;
    }
    // An HTTP library would tidy these paths up before it sends them.
    for path in [
        "/static/../Cargo.toml",
        "/static/%2e%2e/Cargo.toml",
        "/static/..%2fCargo.toml",
        "/static//etc/passwd",
        "/shared/%2e%2e/%2e%2e/Cargo.toml",
        "/static/%00",
        "/static/%ff",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = read_until(&mut server.send_raw(&request).await, |_| false).await;
        let refused = answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400");
        assert!(
            refused && answer.contains(r#"{"error":""#),
            "{path}: {answer}"
        );
    }
}

async fn the_user_after_the_last_that_fits_is_refused(binary: &str) {
    let server = Server::start(binary, &[]);
    for number in 3..=1000 {
        assert_eq!(server.add_user(&format!("user {number}")).await, number);
    }
    let user = r#"{"username":"one too many"}"#;
    let response = send(&server, Method::POST, "/users", "application/json", user).await;
    expect_error(response, 409, "the 1,001st user").await;
    server
        .client
        .delete(server.url("/users/500"))
        .send()
        .await
        .expect("an answer");
    server.add_user("now there is room").await;
}

async fn another_site_may_not_change_anything(binary: &str) {
    let allowed = [
        "--allow-origin",
        "https://friend.example",
        "--allow-origin",
        "http://a.example:1",
    ];
    let server = Server::start(binary, &allowed);
    let own = format!("http://{}", server.address());
    let (https, port) = (own.replace("http:", "https:"), format!("{own}0"));
    let post = |origin: &str| {
        let request = server
            .client
            .post(server.url("/users"))
            .header(header::ORIGIN, origin);
        request.json(&json!({"username": "Mallory"})).send()
    };
    for foreign in [
        "http://evil.example",
        "null",
        "",
        "file://",
        &https,
        &port,
        "http://127.0.0.1",
        "https://friend.example.evil.example",
        "http://friend.example",
        "http://a.example",
    ] {
        expect_error(post(foreign).await.expect("an answer"), 403, foreign).await;
    }
    for (method, path) in [
        (Method::DELETE, "/users/1"),
        (Method::POST, "/cut"),
        (Method::POST, "/x"),
    ] {
        let request = server.client.request(method, server.url(path));
        let response = request
            .header(header::ORIGIN, "http://evil.example")
            .send()
            .await;
        expect_error(response.expect("an answer"), 403, path).await;
    }
    let two = server
        .client
        .post(server.url("/users"))
        .header(header::ORIGIN, own.as_str());
    let two = two
        .header(header::ORIGIN, "http://evil.example")
        .json(&json!({"username": "M"}));
    expect_error(two.send().await.expect("an answer"), 403, "two origins").await;

    assert_eq!(next_id(&server).await, 3, "nothing of that added a user");
    for friend in [
        own.as_str(),
        "https://friend.example",
        "http://a.example:1",
        "HTTP://A.example:1",
    ] {
        assert_eq!(
            post(friend).await.expect("an answer").status(),
            201,
            "{friend}"
        );
    }
}

async fn a_hostile_name_stays_data(binary: &str) {
    let server = Server::start(binary, &[]);
    let name = "<script>alert(1)</script>";
    let body = json!({"username": name}).to_string();
    let response = send(&server, Method::POST, "/users", "application/json", &body).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(
        response.headers()[header::X_CONTENT_TYPE_OPTIONS],
        "nosniff"
    );
    let user: Value = response.json().await.expect("JSON");
    assert_eq!(user["username"], name, "kept as it was typed");
    let page = server.get("/").await.text().await.expect("text");
    assert!(!page.contains(name), "the page's HTML holds no names");

    let request = format!("GET / HTTP/1.1\r\nHost: \"><{name}\r\nConnection: close\r\n\r\n");
    let page = read_until(&mut server.send_raw(&request).await, |_| false).await;
    assert!(
        page.contains("</html>") && !page.contains(name),
        "nor the host that was asked for"
    );
}

async fn only_the_own_machine_may_cut(binary: &str) {
    let cut = |server: &Server| {
        let url = format!("http://127.0.0.1:{}/cut", server.address().port());
        server.client.post(url).send()
    };
    let local = Server::start(binary, &[]);
    assert_eq!(cut(&local).await.expect("an answer").status(), 204);
    let public = Server::start(binary, &["--host", "0.0.0.0"]);
    expect_error(
        cut(&public).await.expect("an answer"),
        403,
        "POST /cut, open to others",
    )
    .await;
}

async fn head_is_get_without_a_body(binary: &str) {
    let server = Server::start(binary, &[]);
    let page = server.get("/").await;
    let head = server
        .client
        .head(server.url("/"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(head.status(), 200);
    assert_eq!(
        head.headers()[header::CONTENT_LENGTH],
        page.headers()[header::CONTENT_LENGTH]
    );
    // Also of a stream: the answer to HEAD ends, and the connection takes the next request.
    let requests = "HEAD /users HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut connection = server.send_raw(requests).await;
    read_until(&mut connection, |text| text.contains("</html>")).await;
}

async fn a_thousand_requests_at_once_are_all_answered(binary: &str) {
    let server = Server::start(binary, &[]);
    let asking: Vec<_> = (0..1000)
        .map(|_| tokio::spawn(server.client.get(server.url("/shared/icon.svg")).send()))
        .collect();
    for answer in asking {
        assert_eq!(
            answer.await.expect("no panic").expect("an answer").status(),
            StatusCode::OK
        );
    }
}

async fn a_server_that_cannot_start_says_why(binary: &str) {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users.json");
    fs::write(&file, "{\n  oops").expect("a file");
    let file = file.to_str().expect("a path in UTF-8");
    let missing = folder.path().join("none/users.json");
    let missing = missing.to_str().expect("a path in UTF-8");
    for (flags, code, parts) in [
        (["--port", port.as_str()], 1, ["is taken", "--port"]),
        (["--users", file], 1, ["line 2 column 3", "left as it is"]),
        (["--users", missing], 1, ["No such file", "folder exists"]),
        (["--host", "192.0.2.1"], 1, ["192.0.2.1", "--host"]),
        (
            ["--host", "no.such.host.invalid"],
            1,
            ["no.such.host.invalid", "--host"],
        ),
        (["--port", "70000"], 2, ["70000", "--port"]),
        (["--heartbeat", "0"], 2, ["--heartbeat", "0.05"]),
        (["--heartbeat", "NaN"], 2, ["--heartbeat", "NaN"]),
        (
            ["--allow-origin", "example.org"],
            2,
            ["--allow-origin", "https://example.org"],
        ),
        (["--frobnicate", "1"], 2, ["--frobnicate", "Usage"]),
    ] {
        let exit = run(binary, &flags);
        assert_eq!(exit.code, Some(code), "{flags:?}: {}", exit.stderr);
        for part in parts {
            assert!(
                exit.stderr.contains(part),
                "{flags:?}: {:?} has no {part:?}",
                exit.stderr
            );
        }
        assert!(
            !exit.stderr.contains("panicked"),
            "{flags:?}: {}",
            exit.stderr
        );
        assert!(
            code == 2 || exit.stderr.trim_end().lines().count() == 1,
            "{}",
            exit.stderr
        );
    }
    assert_eq!(
        fs::read_to_string(file).expect("a file"),
        "{\n  oops",
        "left as it is"
    );
}

async fn an_acknowledged_user_survives_a_kill(binary: &str) {
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

async fn a_stop_is_quick_and_clean(binary: &str) {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::start(binary, &[]);
        // An idle connection, one in the middle of a head, and one in the middle of a body.
        server.get("/shared/icon.svg").await;
        let _head = server.send_raw("GET / HTTP/1.1\r\nHost").await;
        let post = "POST /users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        let _body = server
            .send_raw(&format!("{post}Content-Length: 100\r\n\r\n{{"))
            .await;
        server.signal(signal);
        let exit = server.wait();
        assert_eq!(exit.code, Some(0), "{signal:?}: {}", exit.stderr);
        assert!(exit.elapsed < STOP_LIMIT, "{signal:?}: {:?}", exit.elapsed);
    }
}
