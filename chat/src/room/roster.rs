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
    /// The whole roster as an event, at some version, and the changes since then. It is made when somebody needs it.
    base: Option<Base>,
}

/// A whole roster, and what has changed since. In a room of thousands a newcomer gets the two together, because a
/// roster that is made again for each newcomer takes more time than the room has.
#[derive(Debug)]
struct Base {
    version: u64,
    event: Arc<Event>,
    /// The changes from `version` on, one for each version.
    changes: Vec<Arc<Event>>,
}

/// A whole roster is made again when more than this part of the members has come or gone since: in a small room with
/// every change.
const MEMBERS_PER_CHANGE: usize = 64;

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
            base: None,
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
        self.push_change(&event);
        Update::Announce(event)
    }

    fn push_change(&mut self, event: &Arc<Event>) {
        let max_changes = self.members.len() / MEMBERS_PER_CHANGE;
        match &mut self.base {
            Some(base) if base.changes.len() < max_changes => base.changes.push(Arc::clone(event)),
            _ => self.base = None,
        }
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
        self.base = None;
        Update::Announce(Arc::clone(&self.base(version).event))
    }

    /// Marks the roster as unknown, because changes may have been missed.
    pub(crate) fn invalidate(&mut self) {
        self.version = None;
        self.base = None;
    }

    /// Returns the events that lead from the version `known` to the current roster: none if that is the same, or if the
    /// current roster is unknown; only the changes, if they are there; else the whole roster and the changes since.
    pub(crate) fn events_since(&mut self, known: Option<u64>) -> Vec<Arc<Event>> {
        let Some(version) = self.version else {
            return Vec::new();
        };
        if known == Some(version) {
            return Vec::new();
        }
        let base = self.base(version);
        let missed = known.and_then(|known| known.checked_sub(base.version));
        let missed = missed.and_then(|index| base.changes.get(usize::try_from(index).ok()?..));
        if let Some(changes) = missed {
            return changes.to_vec();
        }
        let mut events = vec![Arc::clone(&base.event)];
        events.extend_from_slice(&base.changes);
        events
    }

    /// Returns the whole roster and the changes since, up to the current `version`.
    fn base(&mut self, version: u64) -> &Base {
        self.base.get_or_insert_with(|| {
            let mut names: Vec<_> = self.members.values().map(String::as_str).collect();
            names.sort_unstable();
            Base {
                version,
                event: Event::roster(version, &names),
                changes: Vec::new(),
            }
        })
    }
}

#[cfg(test)]
mod tests;
