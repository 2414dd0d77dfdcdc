use super::*;

/// All messages in `bytes`, which come one by one, and the bytes that each was made of.
fn messages(ending: &'static str, bytes: &[u8]) -> Result<Vec<(Message, Vec<u8>)>, String> {
    let mut wire = Wire::new(ending);
    let mut seen = Vec::new();
    for byte in bytes {
        wire.room().push(*byte);
        while let Some(message) = wire.message()? {
            seen.push((message, wire.last_message().to_vec()));
        }
    }
    Ok(seen)
}

#[test]
fn answers_end_where_their_length_says() {
    let news =
        b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\netag: \"7\"\r\n\r\n{\"version\":7,\"users\":[]}";
    let none = b"HTTP/1.1 304 Not Modified\r\netag: \"7\"\r\n\r\n";
    let seen = messages("", &[&news[..], none, news].concat());
    let expected = [
        (Message::Answer(Some(7)), news.to_vec()),
        (Message::Answer(None), none.to_vec()),
        (Message::Answer(Some(7)), news.to_vec()),
    ];
    assert_eq!(seen.unwrap(), expected);
}

#[test]
fn events_need_not_end_where_chunks_do() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let first = "10\r\nretry: 2000\n\ndat\r\n15\r\na: {\"version\":1234}\n\n\r\n";
    let ping = "d\r\nevent: ping\n\n\r\n";
    let seen = messages("\n\n", [head, first, ping].concat().as_bytes()).unwrap();
    let (seen, bytes): (Vec<_>, Vec<_>) = seen.into_iter().unzip();
    let [retry, news, nothing] = [None, Some(1234), None].map(Message::Event);
    assert_eq!(seen, [retry, news, nothing]);
    // Nothing is left out and nothing counted twice, although the first chunk holds parts of two events.
    assert_eq!(
        String::from_utf8(bytes.concat()).unwrap(),
        [head, first, ping].concat()
    );
}

#[test]
fn an_event_of_an_iframe_ends_with_its_script() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let start = "5\r\n<!-->\r\n";
    let script = "2a\r\n<script>setUsers({\"version\":8})</script>\r\n\r\n";
    let script = script.replace("2a", &format!("{:x}", script.len() - 6));
    let seen = messages("</script>", [head, start, &script].concat().as_bytes());
    let seen = seen.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].0, Message::Event(Some(8)));
}

#[test]
fn frames_are_told_apart_by_their_first_byte() {
    let head = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n";
    let text = [&[0x81, 13][..], b"{\"version\":9}"].concat();
    let body = format!("{{\"version\":10,\"x\":\"{}\"}}", "x".repeat(200));
    let length = u8::try_from(body.len()).unwrap();
    let long = [&[0x81, 126, 0, length][..], body.as_bytes()].concat();
    let ping = [0x89, 2, 1, 2];
    let seen = messages("", &[&head[..], &text, &ping, &long].concat()).unwrap();
    let expected = [
        (Message::Event(Some(9)), [&head[..], &text].concat()),
        (Message::Ping(vec![1, 2]), ping.to_vec()),
        (Message::Event(Some(10)), long),
    ];
    assert_eq!(seen, expected);
    assert_eq!(pong(&[1, 2]), [0x8a, 0x82, 0, 0, 0, 0, 1, 2]);
}

#[test]
fn what_is_not_expected_is_an_error() {
    for bytes in [
        "HTTP/1.1 503 Service Unavailable\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffff\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n\u{8}\0",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n\u{1}\u{7f}\0\0\0\0\0\0\0\0",
    ] {
        assert!(messages("\n\n", bytes.as_bytes()).is_err(), "{bytes:?}");
    }
}
