//! [`Technique`]: the requests of a lesson's browser.

use std::time::Duration;

/// How a lesson's browser gets updates.
#[derive(Debug, Clone, Copy)]
pub struct Technique {
    /// The crate's name.
    pub lesson: &'static str,
    /// The lesson's binary.
    pub binary: &'static str,
    /// Returns the request for the list. The argument is the version that the client has, if it has one.
    pub request: fn(version: Option<u64>) -> String,
    /// What the client does after the request.
    pub pattern: Pattern,
    /// The time after which requests or heartbeats repeat when there are no updates. It is zero if there are none.
    pub idle_period: Duration,
}

/// What a client does after its request.
#[derive(Debug, Clone, Copy)]
pub enum Pattern {
    /// The client reads the response, and sends the next request after this time.
    Poll(Duration),
    /// The client waits for the response, and then sends the next request at once.
    LongPoll,
    /// The client reads a stream. Each event ends with this text. For a WebSocket the text is empty, because each frame
    /// has a length.
    Stream(&'static str),
}

impl Pattern {
    /// Returns the text at the end of each event.
    pub(super) fn event_end(self) -> &'static str {
        match self {
            Self::Stream(end) => end,
            Self::Poll(_) | Self::LongPoll => "",
        }
    }
}
