//! [`Recording`]: the bytes that one client has received. The baseline sends the same bytes.

use super::decoder::Message;

/// The bytes that one client has received.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// The bytes of each update. Each ends with a list.
    updates: Vec<Vec<u8>>,
    /// The first bytes of the next update.
    incomplete: Vec<u8>,
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
        // Events before the first list are part of the first update. Later events without a list, such as pings, are
        // not recorded.
        if is_list || !self.has_list {
            self.incomplete.extend_from_slice(bytes);
        }
        if is_list {
            self.has_list = true;
            self.updates.push(std::mem::take(&mut self.incomplete));
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
    fn a_recording_has_each_list_and_the_start_of_the_stream() {
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
