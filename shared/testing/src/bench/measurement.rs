//! [`Measurement`]: the results of a run.

use std::time::Duration;

/// What all clients of a server have sent and received together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traffic {
    pub(super) requests: u64,
    /// The number of responses and events, with an update or without.
    pub(super) messages: u64,
    /// The bytes in both directions, including headers.
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

/// The resources that a server and its clients have used in a part of the run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) processor: Duration,
    pub(super) traffic: Traffic,
    pub(super) time: Duration,
}

/// The cost of one round of changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub(super) changes: u32,
    pub(super) lesson: Usage,
    pub(super) baseline: Usage,
    pub(super) bare_hub: Usage,
}

/// The results of a run.
#[derive(Debug, Default)]
pub(super) struct Measurement {
    /// The lesson's name.
    pub(super) lesson: &'static str,
    pub(super) clients: u32,
    /// How many of the clients were connected when the memory was measured for the first time.
    pub(super) first_clients: u32,
    pub(super) updates: u32,
    /// The delay of each change to each client of the lesson.
    pub(super) delays: Vec<Duration>,
    pub(super) rounds: Vec<Round>,
    /// The usage in the time without changes.
    pub(super) idle: Usage,
    /// The lesson's memory in bytes: with the first clients, with all of them, at the end.
    pub(super) memory: [u64; 3],
    /// The same for the bare hub, but its last figure is read after the last round.
    pub(super) bare_hub_memory: [u64; 3],
}

impl Measurement {
    /// Returns the memory in bytes for one client: after all clients had connected, and at the end.
    pub(super) fn memory_per_client(&self, memory: [u64; 3]) -> [f64; 2] {
        let [first, all, end] = memory.map(|bytes| bytes as f64);
        let at_first = (all - first) / f64::from(self.clients - self.first_clients);
        [at_first, at_first + (end - all) / f64::from(self.clients)]
    }
}
