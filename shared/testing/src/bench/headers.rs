//! The headers of a browser's requests: about 500 bytes, which every poll repeats. They were recorded from Chromium 156
//! on Debian. The port is always that of lesson 1, so that the number of bytes does not depend on the port.

/// The headers of every request of a page, except a WebSocket's handshake.
const PAGE: &str = "Host: 127.0.0.1:8001\r\n\
    Connection: keep-alive\r\n\
    sec-ch-ua-platform: \"Linux\"\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36\r\n\
    sec-ch-ua: \"Not:A-Brand\";v=\"8\", \"Chromium\";v=\"156\"\r\n\
    sec-ch-ua-mobile: ?0\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Referer: http://127.0.0.1:8001/\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9\r\n";

/// The further headers of `fetch(path, { cache: "no-store" })`.
pub const FETCH_NO_STORE: &str = "Pragma: no-cache\r\nCache-Control: no-cache\r\n\
    Accept: */*\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n";

/// The further headers of `new EventSource(path)`.
pub const EVENT_SOURCE: &str = "Pragma: no-cache\r\nCache-Control: no-cache\r\n\
    Accept: text/event-stream\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n";

/// The further headers of `iframe.src = path`.
pub const IFRAME: &str = "Upgrade-Insecure-Requests: 1\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\n\
    Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n";

/// The whole handshake of `new WebSocket(…/users)`. The key may be any 16 bytes (RFC 6455 §4.1); this one is the RFC's
/// example.
pub const WEB_SOCKET: &str = "GET /users HTTP/1.1\r\n\
    Host: 127.0.0.1:8001\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: http://127.0.0.1:8001\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// Returns a whole GET of `path` with `further` headers, each with its line break.
#[must_use]
pub fn get(path: &str, further: &str) -> String {
    format!("GET {path} HTTP/1.1\r\n{PAGE}{further}\r\n")
}

#[cfg(test)]
mod tests {
    use super::{FETCH_NO_STORE, get};

    #[test]
    fn a_fetch_is_as_long_as_chromiums() {
        assert_eq!(get("/users", FETCH_NO_STORE).len(), 525);
    }
}
