//! [`Decoder`]: finds the messages in the bytes that a server sends.
//!
//! It decodes responses with a length or without a body, bodies in chunks, and WebSocket frames. Of the content it
//! reads only the version of the list.

use std::ops::Range;

/// The largest chunk, in bytes. No lesson sends a larger chunk, so a larger size is an error.
const MAX_CHUNK: usize = 1 << 20;

/// A message from a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A whole response, and the version of the list in it, if there is one. The client can send the next request.
    Response(Option<u64>),
    /// An event of a stream, and the version of the list in it, if there is one.
    Event(Option<u64>),
    /// A WebSocket ping, to which a browser sends a pong by itself.
    Ping(Vec<u8>),
}

/// The kind of bytes that come next on the connection.
#[derive(Debug, Clone, Copy)]
enum Next {
    Headers,
    /// A body with this length in bytes.
    Body(usize),
    Chunk,
    Frame,
}

/// The decoder of one connection.
pub(super) struct Decoder {
    /// The text at the end of each event, in a body in chunks.
    event_end: &'static [u8],
    next: Next,
    bytes: Vec<u8>,
    /// The number of decoded `bytes`.
    at: usize,
    /// The range of the last message in `bytes`.
    last: Range<usize>,
    /// The content of the chunks that are not a whole event yet.
    text: Vec<u8>,
}

impl Decoder {
    /// Returns a decoder for a new connection. In a body in chunks each event ends with `event_end`.
    pub(super) fn new(event_end: &'static str) -> Self {
        /// The first size of the buffer, in bytes. Most reads return less.
        const CAPACITY: usize = 2048;
        Self {
            event_end: event_end.as_bytes(),
            next: Next::Headers,
            bytes: Vec::with_capacity(CAPACITY),
            at: 0,
            last: 0..0,
            text: Vec::new(),
        }
    }

    /// Returns the buffer. The caller must append the next bytes to it.
    pub(super) fn buffer_mut(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.last.end);
        self.at -= self.last.end;
        self.last = 0..0;
        &mut self.bytes
    }

    /// Returns the bytes of the last message, with its headers or its frame.
    pub(super) fn last_message(&self) -> &[u8] {
        &self.bytes[self.last.clone()]
    }

    /// Returns the next message if it is complete.
    pub(super) fn message(&mut self) -> Result<Option<Message>, String> {
        loop {
            let step = match self.next {
                Next::Headers => self.headers()?,
                Next::Body(length) => self.body(length),
                Next::Chunk => self.chunk()?,
                Next::Frame => self.frame()?,
            };
            match step {
                Step::Incomplete => return Ok(None),
                Step::Done => {}
                Step::Message(message) => {
                    self.last = self.last.end..self.at;
                    return Ok(Some(message));
                }
            }
        }
    }

    /// Decodes the headers of a response.
    fn headers(&mut self) -> Result<Step, String> {
        let Some(length) = find(&self.bytes[self.at..], b"\r\n\r\n") else {
            return Ok(Step::Incomplete);
        };
        let headers = String::from_utf8_lossy(&self.bytes[self.at..self.at + length]).into_owned();
        self.at += length;
        let field = |name: &str| {
            let mut fields = headers.lines().filter_map(|line| line.split_once(": "));
            fields.find_map(|(field, value)| field.eq_ignore_ascii_case(name).then_some(value))
        };
        self.next = match headers
            .get("HTTP/1.1 ".len()..)
            .and_then(|rest| rest.get(..3))
        {
            Some("101") => Next::Frame,
            Some("204" | "304") => return Ok(Step::Message(Message::Response(None))),
            Some("200" | "201") => match field("content-length") {
                Some(length) => Next::Body(length.parse().map_err(|_| "a bad length")?),
                None if field("transfer-encoding") == Some("chunked") => Next::Chunk,
                None => return Err("a response without a length".into()),
            },
            _ => {
                let status = headers.lines().next().unwrap_or_default();
                return Err(format!("the server has sent {status:?}"));
            }
        };
        Ok(Step::Done)
    }

    /// Decodes a body with a known length.
    fn body(&mut self, length: usize) -> Step {
        let Some(body) = self.bytes.get(self.at..self.at + length) else {
            return Step::Incomplete;
        };
        let version = version_in(body);
        self.at += length;
        self.next = Next::Headers;
        Step::Message(Message::Response(version))
    }

    /// Decodes an event from the chunks so far, or else the next chunk.
    fn chunk(&mut self) -> Result<Step, String> {
        if let Some(length) = find(&self.text, self.event_end) {
            let version = version_in(&self.text[..length]);
            self.text.drain(..length);
            return Ok(Step::Message(Message::Event(version)));
        }
        let bytes = &self.bytes[self.at..];
        let Some(line) = find(bytes, b"\r\n") else {
            return Ok(Step::Incomplete);
        };
        let size = std::str::from_utf8(&bytes[..line - 2]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.filter(|size| *size < MAX_CHUNK);
        let size = size.ok_or("a chunk without a size, or far too large")?;
        if size == 0 {
            return Err("the response has ended".into());
        }
        let Some(chunk) = bytes.get(line..line + size + 2) else {
            return Ok(Step::Incomplete);
        };
        self.text.extend_from_slice(&chunk[..size]);
        self.at += line + size + 2;
        Ok(Step::Done)
    }

    /// Decodes a frame of a server (RFC 6455 §5.2). Such a frame is not masked, and no lesson sends fragments.
    fn frame(&mut self) -> Result<Step, String> {
        let bytes = &self.bytes[self.at..];
        let (start, length) = match bytes {
            [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([*a, *b]))),
            [_, 127, ..] => return Err("a frame that is far too long".into()),
            [_, 126] | [_, 126, _] | [] | [_] => return Ok(Step::Incomplete),
            [_, short, ..] => (2, usize::from(*short)),
        };
        let Some(body) = bytes.get(start..start + length) else {
            return Ok(Step::Incomplete);
        };
        let message = match bytes[0] {
            0x81 => Message::Event(version_in(body)),
            0x89 => Message::Ping(body.to_vec()),
            first => return Err(format!("a frame that begins with {first:#x}")),
        };
        self.at += start + length;
        Ok(Step::Message(message))
    }
}

/// The result of decoding the next bytes.
enum Step {
    /// More bytes are needed.
    Incomplete,
    /// A part of a message is decoded.
    Done,
    Message(Message),
}

/// Returns a pong with the ping's `payload`. It is masked, as all frames of a client must be (RFC 6455 §5.3). The key
/// is 0, because the random key of a browser only protects proxies, and there is no proxy here.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or_default() & 0x7f;
    [&[0x8a, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// Returns the number after `"name":` in `json`.
pub(super) fn number_in(json: &[u8], name: &str) -> Option<u64> {
    let start = find(json, format!("\"{name}\":").as_bytes())?;
    let digits = json[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let digits = &json[start..start + digits.count()];
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Returns the version of the list in `text`.
fn version_in(text: &[u8]) -> Option<u64> {
    number_in(text, "version")
}

/// Returns the position after the first `end` in `bytes`.
pub(super) fn find(bytes: &[u8], end: &[u8]) -> Option<usize> {
    let start = bytes.windows(end.len()).position(|window| window == end)?;
    Some(start + end.len())
}

#[cfg(test)]
mod tests;
