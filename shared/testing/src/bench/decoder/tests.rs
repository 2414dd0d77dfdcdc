use super::*;

/// Decodes `bytes`, which arrive one by one, and returns each message with its bytes.
fn messages(event_end: &'static str, bytes: &[u8]) -> Result<Vec<(Message, Vec<u8>)>, String> {
    let mut decoder = Decoder::new(event_end);
    let mut found = Vec::new();
    for byte in bytes {
        decoder.buffer_mut().push(*byte);
        while let Some(message) = decoder.message()? {
            found.push((message, decoder.last_message().to_vec()));
        }
    }
    Ok(found)
}

#[test]
fn a_response_ends_after_its_length() {
    let update =
        b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\netag: \"7\"\r\n\r\n{\"version\":7,\"users\":[]}";
    let none = b"HTTP/1.1 304 Not Modified\r\netag: \"7\"\r\n\r\n";
    let found = messages("", &[&update[..], none, update].concat());
    let expected = [
        (Message::Response(Some(7)), update.to_vec()),
        (Message::Response(None), none.to_vec()),
        (Message::Response(Some(7)), update.to_vec()),
    ];
    assert_eq!(found.unwrap(), expected);
}

#[test]
fn an_event_may_end_inside_a_chunk() {
    let headers = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let first = "10\r\nretry: 2000\n\ndat\r\n15\r\na: {\"version\":1234}\n\n\r\n";
    let ping = "d\r\nevent: ping\n\n\r\n";
    let found = messages("\n\n", [headers, first, ping].concat().as_bytes()).unwrap();
    let (found, bytes): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let [retry, update, nothing] = [None, Some(1234), None].map(Message::Event);
    assert_eq!(found, [retry, update, nothing]);
    // No byte is lost, and none is counted twice, although the first chunk has parts of two events.
    assert_eq!(
        String::from_utf8(bytes.concat()).unwrap(),
        [headers, first, ping].concat()
    );
}

#[test]
fn an_event_of_an_iframe_ends_with_its_script() {
    let headers = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let start = "5\r\n<!-->\r\n";
    let script = "2a\r\n<script>setUsers({\"version\":8})</script>\r\n\r\n";
    let script = script.replace("2a", &format!("{:x}", script.len() - 6));
    let found = messages("</script>", [headers, start, &script].concat().as_bytes());
    let found = found.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, Message::Event(Some(8)));
}

#[test]
fn the_first_byte_of_a_frame_is_its_kind() {
    let headers = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n";
    let text = [&[0x81, 13][..], b"{\"version\":9}"].concat();
    let body = format!("{{\"version\":10,\"x\":\"{}\"}}", "x".repeat(200));
    let length = u8::try_from(body.len()).unwrap();
    let long = [&[0x81, 126, 0, length][..], body.as_bytes()].concat();
    let ping = [0x89, 2, 1, 2];
    let found = messages("", &[&headers[..], &text, &ping, &long].concat()).unwrap();
    let expected = [
        (Message::Event(Some(9)), [&headers[..], &text].concat()),
        (Message::Ping(vec![1, 2]), ping.to_vec()),
        (Message::Event(Some(10)), long),
    ];
    assert_eq!(found, expected);
    assert_eq!(pong(&[1, 2]), [0x8a, 0x82, 0, 0, 0, 0, 1, 2]);
}

#[test]
fn unexpected_bytes_are_an_error() {
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
