//! [`Measurement`]: what a run has measured.

use std::time::Duration;

/// What all clients of a server together have sent and received.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traffic {
    pub(super) requests: u64,
    /// Responses and events, with an update or without.
    pub(super) messages: u64,
    /// In both directions, headers included.
    pub(super) bytes: u64,
}

impl Traffic {
    /// Returns the traffic since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            messages: self.messages - earlier.messages,
            bytes: self.bytes - earlier.bytes,
        }
    }
}

/// What a server and its clients have used in a part of the run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) processor: Duration,
    pub(super) traffic: Traffic,
    pub(super) time: Duration,
}

/// What some changes have cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub(super) changes: u32,
    pub(super) lesson: Usage,
    pub(super) baseline: Usage,
}

/// What a run has measured.
#[derive(Debug, Default)]
pub(super) struct Measurement {
    /// The lesson's name.
    pub(super) lesson: &'static str,
    pub(super) clients: u32,
    /// How many of the clients had connected when the memory was measured first.
    pub(super) first_clients: u32,
    pub(super) updates: u32,
    /// From each change to each client of the lesson.
    pub(super) delays: Vec<Duration>,
    pub(super) rounds: Vec<Round>,
    /// The time without changes.
    pub(super) idle: Usage,
    /// The lesson's memory in bytes: with the first clients, with all of them, at the end.
    pub(super) memory: [u64; 3],
}
