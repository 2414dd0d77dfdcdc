//! [`Tape`]: what a client has received, for the limit to say again.

use super::decoder::Message;

/// What one client has received, as bytes.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// Up to and with a list each.
    pieces: Vec<Vec<u8>>,
    /// What is part of the next of these.
    begun: Vec<u8>,
    /// Whether there was a list.
    has_list: bool,
}

impl Tape {
    /// Notes a `message` that was made of these `bytes`.
    pub(super) fn record(&mut self, message: &Message, bytes: &[u8]) {
        if matches!(message, Message::Answer(None)) {
            return;
        }
        let is_list = !matches!(message, Message::Event(None));
        // Before its first list a client may be told something else; later that is no news.
        if is_list || !self.has_list {
            self.begun.extend_from_slice(bytes);
        }
        if is_list {
            self.has_list = true;
            self.pieces.push(std::mem::take(&mut self.begun));
        }
    }

    /// What has been recorded since it was taken last, with a piece for each list.
    pub(super) fn take(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_keeps_each_list_and_what_came_before_the_first() {
        let mut tape = Tape::default();
        tape.record(&Message::Event(None), b"retry");
        tape.record(&Message::Event(Some(7)), b"list");
        tape.record(&Message::Event(Some(8)), b"change");
        tape.record(&Message::Answer(None), b"not modified");
        tape.record(&Message::Event(None), b"ping");
        assert_eq!(tape.take(), [&b"retrylist"[..], b"change"]);
        tape.record(&Message::Answer(Some(9)), b"another");
        assert_eq!(tape.take(), [b"another"]);
    }
}
