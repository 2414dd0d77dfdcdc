//! [`Roster`]: who is in a room, on all servers together.
//!
//! A roster has a version, which grows by one with each change. A server that is alone makes the changes itself and
//! never misses one. In a cluster the changes come from the store that the servers share, over a channel that may lose
//! some. A gap between two versions shows the loss. The roster is then unknown until it has been read as a whole.
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
    /// The highest version of the changes that have arrived, even if they were not applied.
    latest_seen: u64,
    /// What a newcomer gets. It is encoded when the first newcomer needs it.
    base: Option<Base>,
}

/// A whole roster as an event, and the changes after it. A newcomer gets both. In a room of thousands, encoding the
/// whole roster for each newcomer would take too long.
#[derive(Debug)]
struct Base {
    version: u64,
    event: Arc<Event>,
    /// The changes after `version`, one for each version.
    changes: Vec<Arc<Event>>,
}

/// A [`Base`] has at most one change for this many members. After more changes the whole roster is encoded again. A
/// room with fewer members than this has no changes in its base, because its roster is small.
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

/// The result of applying a change, or of reading the whole roster.
#[derive(Debug)]
pub(crate) enum Update {
    /// The roster has changed. Everybody in the room gets this event.
    Announce(Arc<Event>),
    /// The roster is the same as before.
    Unchanged,
    /// Changes were missed. The roster is unknown and has to be read again.
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

    /// Creates a roster that has to be read from the store first.
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

    /// Returns the version after the next change. Only a server that is alone makes changes itself.
    pub(crate) fn next_version(&self) -> u64 {
        self.version.unwrap_or(self.latest_seen) + 1
    }

    /// Applies a change.
    pub(crate) fn apply(&mut self, change: PresenceChange) -> Update {
        self.latest_seen = self.latest_seen.max(change.version);
        let Some(version) = self.version else {
            return Update::Unchanged; // The whole roster, when it is read, includes this change.
        };
        if change.version <= version {
            return Update::Unchanged; // The roster includes this change already.
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

    /// Replaces the whole roster by the one that was read from the store.
    ///
    /// A version before `latest_seen` is refused once. Either a change arrived while the roster was being read: the
    /// next reading includes that change. Or the store has lost data: the next reading is accepted, because
    /// `latest_seen` begins again at 0.
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

    /// Returns the events that lead from the version `known` to the current roster. There are none if the two versions
    /// are the same, or if the current roster is unknown. If `base` has all changes since `known`, they are enough.
    /// Otherwise the whole roster comes first.
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

    /// Returns the base, and encodes the roster of the current `version` if there is no base.
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
