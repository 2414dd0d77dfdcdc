//! [`Wire`]: takes apart what a server sends, as far as the load needs it.
//!
//! It knows an answer with a length or without a body, a body in chunks, and WebSocket frames; it looks
//! for nothing but the version of the list in them.

use std::ops::Range;

/// No message of a lesson is longer, in bytes; what claims to be is a mistake here or there.
const MAX_MESSAGE: usize = 1 << 20;

/// One thing that a server has said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A whole answer, after which the connection is free for the next request, with the version of the
    /// list in it, if there is one.
    Answer(Option<u64>),
    /// A piece of a response that does not end, with the version of the list in it, if there is one.
    Event(Option<u64>),
    /// A WebSocket ping, which a browser answers by itself.
    Ping(Vec<u8>),
}

/// What comes next on a connection.
#[derive(Debug, Clone, Copy)]
enum Next {
    Head,
    /// A body of so many bytes.
    Body(usize),
    Chunk,
    Frame,
}

/// The bytes of one connection, on their way to becoming messages.
pub(super) struct Wire {
    /// What each event of a body in chunks ends with.
    ending: &'static [u8],
    next: Next,
    bytes: Vec<u8>,
    /// Up to where `bytes` has been taken apart.
    at: usize,
    /// What the last message was made of.
    last: Range<usize>,
    /// What came in chunks and is not a whole event yet.
    text: Vec<u8>,
}

impl Wire {
    /// Before the first answer. Each event of a body in chunks ends with `ending`.
    pub(super) fn new(ending: &'static str) -> Self {
        /// Room for what one read usually brings.
        const CAPACITY: usize = 2048;
        Self {
            ending: ending.as_bytes(),
            next: Next::Head,
            bytes: Vec::with_capacity(CAPACITY),
            at: 0,
            last: 0..0,
            text: Vec::new(),
        }
    }

    /// Where the next bytes are to be put, at the end.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.last.end);
        self.at -= self.last.end;
        self.last = 0..0;
        &mut self.bytes
    }

    /// The bytes that the last message was made of, with its head or frame around it.
    pub(super) fn last_message(&self) -> &[u8] {
        &self.bytes[self.last.clone()]
    }

    /// The next message, if all of it is there, or what is wrong with it.
    pub(super) fn message(&mut self) -> Result<Option<Message>, String> {
        loop {
            let step = match self.next {
                Next::Head => self.head()?,
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

    fn head(&mut self) -> Result<Step, String> {
        let Some(length) = find(&self.bytes[self.at..], b"\r\n\r\n") else {
            return Ok(Step::Incomplete);
        };
        let head = String::from_utf8_lossy(&self.bytes[self.at..self.at + length]).into_owned();
        self.at += length;
        let field = |name: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(": "));
            fields.find_map(|(field, value)| field.eq_ignore_ascii_case(name).then_some(value))
        };
        self.next = match head.get("HTTP/1.1 ".len()..).and_then(|rest| rest.get(..3)) {
            Some("101") => Next::Frame,
            Some("204" | "304") => return Ok(Step::Message(Message::Answer(None))),
            Some("200" | "201") => match field("content-length") {
                Some(length) => Next::Body(length.parse().map_err(|_| "a bad length")?),
                None if field("transfer-encoding") == Some("chunked") => Next::Chunk,
                None => return Err("an answer without a length".into()),
            },
            _ => {
                let status = head.lines().next().unwrap_or_default();
                return Err(format!("the server answered {status:?}"));
            }
        };
        Ok(Step::Done)
    }

    fn body(&mut self, length: usize) -> Step {
        let Some(body) = self.bytes.get(self.at..self.at + length) else {
            return Step::Incomplete;
        };
        let version = version_in(body);
        self.at += length;
        self.next = Next::Head;
        Step::Message(Message::Answer(version))
    }

    fn chunk(&mut self) -> Result<Step, String> {
        if let Some(length) = find(&self.text, self.ending) {
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
        let size = size.filter(|size| *size < MAX_MESSAGE);
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

    /// A frame as a server sends it, not masked and here never in fragments (RFC 6455 §5.2).
    fn frame(&mut self) -> Result<Step, String> {
        let bytes = &self.bytes[self.at..];
        let (head, length) = match bytes {
            [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([*a, *b]))),
            [_, 127, ..] => return Err("a frame that is far too long".into()),
            [_, 126] | [_, 126, _] | [] | [_] => return Ok(Step::Incomplete),
            [_, short, ..] => (2, usize::from(*short)),
        };
        let Some(body) = bytes.get(head..head + length) else {
            return Ok(Step::Incomplete);
        };
        let message = match bytes[0] {
            0x81 => Message::Event(version_in(body)),
            0x89 => Message::Ping(body.to_vec()),
            first => return Err(format!("a frame that begins with {first:#x}")),
        };
        self.at += head + length;
        Ok(Step::Message(message))
    }
}

/// What looking at the next bytes has led to.
enum Step {
    /// More bytes have to come first.
    Incomplete,
    /// A part has been taken in; look at the next one.
    Done,
    Message(Message),
}

/// A pong with the ping's `payload`, masked, as everything from a client (RFC 6455 §5.3). The key may be
/// 0 here, where nobody in between could be misled.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or_default() & 0x7f;
    [&[0x8a, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// The number after `"name":` in `json`.
pub(super) fn number_in(json: &[u8], name: &str) -> Option<u64> {
    let start = find(json, format!("\"{name}\":").as_bytes())?;
    let digits = json[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let digits = &json[start..start + digits.count()];
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The version of the list that is somewhere in `text`.
fn version_in(text: &[u8]) -> Option<u64> {
    number_in(text, "version")
}

/// Where `bytes` go on after the first `end` in them.
pub(super) fn find(bytes: &[u8], end: &[u8]) -> Option<usize> {
    let start = bytes.windows(end.len()).position(|window| window == end)?;
    Some(start + end.len())
}

#[cfg(test)]
mod tests;
