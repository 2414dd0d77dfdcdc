//! [`Roster`]: who is in a room, on all servers together.
//!
//! A roster has a version, which grows by one with each change. It is kept up to date by applying changes one after
//! the other. A server that is alone makes its changes itself and never misses one. With several servers the changes
//! come from the store that they share, over a channel that may lose some. The version shows that: after a gap the
//! roster is unknown until somebody has read it as a whole.
//!
//! This is plain data, without clocks, locks or connections.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::Event;
use crate::user::UserId;

/// Who is in a room.
#[derive(Debug)]
pub(crate) struct Roster {
    members: BTreeMap<UserId, String>,
    /// `None` while it is unknown who is in the room.
    version: Option<u64>,
    /// The latest version that a change has named, applied or not.
    latest_seen: u64,
    /// The roster as an event. It is made when somebody first needs it, and dropped with the next change.
    event: Option<Arc<Event>>,
}

/// One change of a roster.
#[derive(Debug, Clone)]
pub(crate) struct PresenceChange {
    /// The version of the roster after this change.
    pub(crate) version: u64,
    pub(crate) kind: ChangeKind,
    pub(crate) user: UserId,
    pub(crate) name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Joined,
    Left,
}

/// What came of a change, or of reading the whole roster.
#[derive(Debug)]
pub(crate) enum Update {
    /// The roster has changed; everybody in the room gets this event.
    Announce(Arc<Event>),
    /// The roster is as it was.
    Unchanged,
    /// Changes were missed: it is unknown who is in the room, and the roster has to be read again.
    Gap,
}

impl Roster {
    /// Creates the roster of an empty room, for a server that is alone.
    pub(crate) fn empty(version: u64) -> Self {
        Self {
            version: Some(version),
            ..Self::unknown()
        }
    }

    /// Creates a roster that has to be read first.
    pub(crate) fn unknown() -> Self {
        Self {
            members: BTreeMap::new(),
            version: None,
            latest_seen: 0,
            event: None,
        }
    }

    pub(crate) fn is_known(&self) -> bool {
        self.version.is_some()
    }

    /// Returns whether the roster is known and `user` is in it.
    pub(crate) fn contains(&self, user: UserId) -> bool {
        self.is_known() && self.members.contains_key(&user)
    }

    /// Returns the version that the next change leads to. Only a server that is alone may make one.
    pub(crate) fn next_version(&self) -> u64 {
        self.version.unwrap_or(self.latest_seen) + 1
    }

    /// Applies a change.
    pub(crate) fn apply(&mut self, change: PresenceChange) -> Update {
        self.latest_seen = self.latest_seen.max(change.version);
        let Some(version) = self.version else {
            return Update::Unchanged; // Whoever reads the roster also reads this change.
        };
        if change.version <= version {
            return Update::Unchanged; // The roster that was read had this change already.
        }
        if change.version > version + 1 {
            self.invalidate();
            return Update::Gap;
        }
        self.version = Some(change.version);
        self.event = None;
        let PresenceChange { version, name, .. } = change;
        let event = match change.kind {
            ChangeKind::Joined => {
                let event = Event::joined(version, &name);
                self.members.insert(change.user, name);
                event
            }
            ChangeKind::Left => {
                self.members.remove(&change.user);
                Event::left(version, &name)
            }
        };
        Update::Announce(event)
    }

    /// Replaces the whole roster by what was read.
    ///
    /// A version older than a change that was seen is refused, for one of two reasons. Either the change came while
    /// the roster was being read: then the next reading has it. Or the store has lost data: then the next reading is
    /// accepted as it is.
    pub(crate) fn replace(&mut self, version: u64, members: BTreeMap<UserId, String>) -> Update {
        if version < self.latest_seen {
            self.latest_seen = 0;
            self.invalidate();
            return Update::Gap;
        }
        self.members = members;
        self.version = Some(version);
        self.event = None;
        self.event().map_or(Update::Unchanged, Update::Announce)
    }

    /// Marks the roster as unknown, because changes may have been missed.
    pub(crate) fn invalidate(&mut self) {
        self.version = None;
        self.event = None;
    }

    /// Returns the roster as an event, if it is known.
    pub(crate) fn event(&mut self) -> Option<Arc<Event>> {
        let version = self.version?;
        let event = self.event.get_or_insert_with(|| {
            let mut names: Vec<_> = self.members.values().map(String::as_str).collect();
            names.sort_unstable();
            Event::roster(version, &names)
        });
        Some(Arc::clone(event))
    }
}

#[cfg(test)]
mod tests;
