//! [`Recording`]: what a client has received, for the baseline to send again.

use super::decoder::Message;

/// What one client has received, as bytes.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// Each of them ends with a list.
    updates: Vec<Vec<u8>>,
    /// The start of the next update.
    started: Vec<u8>,
    /// Whether the client has received a list.
    has_list: bool,
}

impl Recording {
    /// Records a `message` that was decoded from these `bytes`.
    pub(super) fn record(&mut self, message: &Message, bytes: &[u8]) {
        if matches!(message, Message::Response(None)) {
            return;
        }
        let is_list = !matches!(message, Message::Event(None));
        // Events before the first list belong to it. Later events without a list, such as pings, are no updates.
        if is_list || !self.has_list {
            self.started.extend_from_slice(bytes);
        }
        if is_list {
            self.has_list = true;
            self.updates.push(std::mem::take(&mut self.started));
        }
    }

    /// Removes and returns the updates that were recorded since the last call.
    pub(super) fn take(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.updates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_has_each_list_and_what_came_before_the_first() {
        let mut recording = Recording::default();
        recording.record(&Message::Event(None), b"retry");
        recording.record(&Message::Event(Some(7)), b"list");
        recording.record(&Message::Event(Some(8)), b"change");
        recording.record(&Message::Response(None), b"not modified");
        recording.record(&Message::Event(None), b"ping");
        assert_eq!(recording.take(), [&b"retrylist"[..], b"change"]);
        recording.record(&Message::Response(Some(9)), b"another");
        assert_eq!(recording.take(), [b"another"]);
    }
}
