//! Tests of bad input: which error a client gets.

use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, LOBBY, Person, Socket, TRANSPORTS, Transport, expect_error, start};

/// Returns bad bodies of `POST /rooms/lobby/messages`, each with the status of its error.
fn bad_messages() -> Vec<(String, u16)> {
    let message = |key: &str, text: &str| json!({ "key": key, "text": text }).to_string();
    let long = |length: usize| "x".repeat(length);
    vec![
        (String::new(), 400),
        ("{".into(), 400),
        ("[]".into(), 400),
        (r#"["k","x"]"#.into(), 400),
        (r#"["k","x",null]"#.into(), 400),
        ("{}".into(), 400),
        (r#"{"text":"x"}"#.into(), 400),
        (r#"{"key":1,"text":"x"}"#.into(), 400),
        (r#"{"key":"k","text":"x","admin":true}"#.into(), 400),
        (r#"{"key":"k","text":"\ud800"}"#.into(), 400),
        (r#"{"key":"k","text":"x","to":7}"#.into(), 400),
        (r#"{"key":"k","text":"x","to":"Nobody"}"#.into(), 404),
        (r#"{"key":"k","text":"x","to":""}"#.into(), 404),
        (message("", "x"), 422),
        (message(&long(65), "x"), 422),
        (message("k", ""), 422),
        (message("k", &long(2_001)), 422),
        (message("k", &"🦀".repeat(2_001)), 422),
        (message("k", &long(17_000)), 413),
    ]
}

#[tokio::test]
async fn a_bad_request_gets_a_clear_error_and_posts_nothing() {
    let server = start(&["--rate", "0"]);
    let ann = Person::join(&server, "Ann").await;
    let url = server.url(&format!("{LOBBY}/messages"));
    for (body, status) in bad_messages() {
        let request = ann.authorize(server.client.post(&url)).body(body.clone());
        let response = request
            .header("Content-Type", "application/json")
            .send()
            .await
            .unwrap();
        expect_error(response, status, &body.chars().take(60).collect::<String>()).await;
    }
    let form = ann.authorize(server.client.post(&url)).body("key=k&text=x");
    expect_error(form.send().await.unwrap(), 415, "a form").await;
    for path in [
        "ws?after=x",
        "events?after=-1",
        "messages?after=1.2.3",
        "messages?after=",
    ] {
        expect_error(
            ann.get(&server, &format!("{LOBBY}/{path}")).await,
            400,
            path,
        )
        .await;
    }
    for query in [
        "wait=61",
        "wait=-1",
        "wait=x",
        "wait=",
        "before=x",
        "after=0&after=1",
    ] {
        let response = ann.get(&server, &format!("{LOBBY}/messages?{query}")).await;
        expect_error(response, 400, query).await;
    }
    for room in ["Lobby", "a%20b", "%C3%A4", &"r".repeat(33)] {
        for path in ["ws", "events", "messages"] {
            expect_error(
                ann.get(&server, &format!("/rooms/{room}/{path}")).await,
                400,
                room,
            )
            .await;
        }
    }
    for (method, path, status) in [
        (Method::PUT, "/rooms/lobby/messages", 405),
        (Method::POST, "/rooms/lobby/events", 405),
        (Method::GET, "/rooms/lobby/typing", 405),
        (Method::GET, "/session", 405),
        (Method::GET, "/rooms/lobby", 404),
        (Method::GET, "/rooms/lobby/nothing", 404),
        (Method::GET, "/rooms/lobby/ws", 426),
    ] {
        let request = ann.authorize(server.client.request(method, server.url(path)));
        expect_error(request.send().await.unwrap(), status, path).await;
    }
    let mut client = Client::open(Transport::LongPoll, &server, &ann, Some("0")).await;
    ann.post_text(&server, "end", None).await;
    assert_eq!(
        client.texts_to("end").await,
        ["end"],
        "no bad request has posted anything"
    );
}

#[tokio::test]
async fn a_bad_name_is_refused() {
    let server = start(&[]);
    let url = server.url("/session");
    for (body, status) in [
        ("", 400),
        ("{}", 400),
        (r#"{"name":7}"#, 400),
        (r#"["Ann"]"#, 400),
        (r#"{"name":"x","token":"y"}"#, 400),
        (r#"{"name":""}"#, 422),
        (r#"{"name":" \t "}"#, 422),
        (r#"{"name":"a\nb"}"#, 422),
        (r#"{"name":"a\u0000b"}"#, 422),
        (r#"{"name":"A\u200bnn"}"#, 422),
        (r#"{"name":"\u202ennA"}"#, 422),
        (r#"{"name":"\u3164"}"#, 422),
        (r#"{"name":"five and twenty letters !"}"#, 422),
    ] {
        let request = server
            .client
            .post(&url)
            .header("Content-Type", "application/json");
        expect_error(request.body(body).send().await.unwrap(), status, body).await;
    }
}

/// The connection stays open, and the `ack` shows which frame was bad.
#[tokio::test]
async fn a_bad_frame_gets_an_error_with_its_ack() {
    let server = start(&["--rate", "0"]);
    let ann = Person::join(&server, "Ann").await;
    let mut socket = Socket::open(&server, &ann, &format!("{LOBBY}/ws")).await;
    for (frame, ack) in [
        ("", None),
        ("{", None),
        ("[]", None),
        (r#"{"event":"message","ack":"one"}"#, None),
        (r#"{"event":"message","ack":-1}"#, None),
        (r#"{"event":"message","admin":true,"ack":1}"#, None),
        (r#"["message",1,{"key":"k","text":"x"}]"#, None),
        (
            r#"{"event":"message","ack":8,"data":["k","x",null]}"#,
            Some(8),
        ),
        (
            r#"{"event":"message","ack":9,"data":{"key":"k","text":"x","text":"y"}}"#,
            Some(9),
        ),
        (r#"{"ack":2}"#, Some(2)),
        (
            r#"{"event":"joined","ack":3,"data":{"name":"Eve"}}"#,
            Some(3),
        ),
        (r#"{"event":"message","ack":4}"#, Some(4)),
        (r#"{"event":"message","ack":5,"data":{"key":"k"}}"#, Some(5)),
        (
            r#"{"event":"message","ack":6,"data":{"key":"k","text":""}}"#,
            Some(6),
        ),
        (
            r#"{"event":"message","ack":7,"data":{"key":"k","text":"x","to":"Nobody"}}"#,
            Some(7),
        ),
        (
            r#"{"event":"message","ack":18446744073709551615,"data":7}"#,
            Some(u64::MAX),
        ),
    ] {
        socket.send(frame).await;
        let error = socket.event("error").await;
        assert_eq!(
            error.get("ack").and_then(Value::as_u64),
            ack,
            "{frame}: {error}"
        );
        assert!(
            error["data"]["error"].as_str().unwrap().len() > 20,
            "{error}"
        );
    }
    futures_util::SinkExt::send(&mut socket.0, Message::binary(vec![0]))
        .await
        .unwrap();
    socket.event("error").await;
    socket
        .send(r#"{"event":"message","data":{"key":"k","text":"no ack"}}"#)
        .await;
    let ack = socket.event("ack").await;
    assert!(
        ack.get("ack").is_none() && ack["data"]["id"].is_u64(),
        "{ack}"
    );
}

#[tokio::test]
async fn a_connection_ends_with_the_right_close_code() {
    let server = start(&[]);
    let ann = Person::join(&server, "Ann").await;
    let mut socket = Socket::open(&server, &ann, &format!("{LOBBY}/ws")).await;
    socket.send("x".repeat(16 * 1024 + 1)).await;
    assert_eq!(socket.close_code().await, 1009);

    let mut socket = Socket::open(&server, &ann, &format!("{LOBBY}/ws")).await;
    let close = tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: 4000.into(),
        reason: "bye".into(),
    };
    socket.0.close(Some(close)).await.unwrap();
    assert_eq!(socket.close_code().await, 4000, "echoed");
}

/// A page on another port of the same machine counts as the same site, so it could send the cookie.
#[tokio::test]
async fn another_site_cannot_open_a_socket_or_post() {
    let server = start(&[]);
    let ann = Person::join(&server, "Ann").await;
    let handshake = ann.authorize(server.client.get(server.url(&format!("{LOBBY}/ws"))));
    let handshake = handshake
        .header("Upgrade", "websocket")
        .header("Origin", "http://127.0.0.1:1");
    expect_error(handshake.send().await.unwrap(), 403, "a socket").await;
    for path in ["messages", "typing"] {
        let post = ann.authorize(server.client.post(server.url(&format!("{LOBBY}/{path}"))));
        let post = post
            .json(&json!({ "key": "k", "text": "x" }))
            .header("Origin", "null");
        expect_error(post.send().await.unwrap(), 403, path).await;
    }
}

#[tokio::test]
async fn script_in_every_field_stays_data() {
    let server = start(&[]);
    let script = "<script>alert(1)</script>";
    let name = "</script><b>'\"\\";
    let ann = Person::join(&server, name).await;
    let mut clients = Vec::new();
    for transport in TRANSPORTS {
        clients.push(Client::open(transport, &server, &ann, Some("0")).await);
        assert_eq!(
            clients.last_mut().unwrap().event("roster").await["names"],
            json!([name])
        );
    }
    let text = format!("{script}\r\n\ndata: x\nevent: left\n\u{2028}\u{2029}\0");
    let body = json!({ "key": script, "text": text, "to": name });
    let response = ann.post(&server, &format!("{LOBBY}/messages"), &body).await;
    assert_eq!(response.status(), 201);
    for client in &mut clients {
        let message = client.event("message").await;
        assert_eq!(
            (&message["from"], &message["text"], &message["to"]),
            (&json!(name), &json!(text), &json!(name))
        );
    }
    let page = server.get("/").await.text().await.unwrap();
    assert!(
        !page.contains("</script><b>") && !page.contains("alert("),
        "the HTML of the page has none of it"
    );
    let response = ann.get(&server, &format!("{LOBBY}/messages?wait=0")).await;
    assert_eq!(response.headers()["Content-Type"], "application/json");
    assert_eq!(response.headers()["X-Content-Type-Options"], "nosniff");
}
