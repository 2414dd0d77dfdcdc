//! [`Technique`]: what a lesson's browser sends and receives.

use std::time::Duration;

/// How a lesson's browser gets updates, as far as it shows on the wire.
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
    /// Without updates everything repeats after this time; zero if nothing happens.
    pub idle_period: Duration,
}

/// What a client does after its request.
#[derive(Debug, Clone, Copy)]
pub enum Pattern {
    /// The client reads the response, and sends the next request after this time.
    Poll(Duration),
    /// The client reads the response, which may take long, and sends the next request at once.
    LongPoll,
    /// The client reads a response that does not end. Each event ends with this text. The text is empty for a WebSocket,
    /// whose frames have a length.
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
