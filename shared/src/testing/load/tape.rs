//! [`Tape`]: what a client has received, for the limit to say again.

use super::wire::Message;

/// What one client has received, as bytes.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// Up to and with a list each.
    pieces: Vec<Vec<u8>>,
    /// What is part of the next of these.
    begun: Vec<u8>,
}

impl Tape {
    /// Notes a `message` that was made of these `bytes`.
    pub(super) fn record(&mut self, message: &Message, bytes: &[u8]) {
        if matches!(message, Message::Answer(None)) {
            return;
        }
        self.begun.extend_from_slice(bytes);
        if !matches!(message, Message::Event(None)) {
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
    fn a_tape_keeps_each_piece_of_news_with_what_came_before_it() {
        let mut tape = Tape::default();
        tape.record(&Message::Event(None), b"retry");
        tape.record(&Message::Event(Some(7)), b"list");
        tape.record(&Message::Event(Some(8)), b"change");
        tape.record(&Message::Answer(None), b"not modified");
        tape.record(&Message::Event(None), b"ping");
        assert_eq!(tape.take(), [&b"retrylist"[..], b"change"]);
        tape.record(&Message::Answer(Some(9)), b"another");
        assert_eq!(tape.take(), [b"pinganother"]);
    }
}
