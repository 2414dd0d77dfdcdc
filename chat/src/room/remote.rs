//! How the other servers of the same chat change the rooms of this server.
//!
//! A room is the same on every server. Each server reports its own members to the store that the servers share. The
//! store counts them together, gives each change of the roster a version, and sends the change to all servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{PresenceChange, Rooms};
use crate::event::Event;
use crate::input::RoomName;
use crate::user::{User, UserId};

impl Rooms {
    /// Returns the members of all rooms on this server.
    pub(crate) fn local_members(&self) -> Vec<(RoomName, Arc<User>)> {
        let mut all = Vec::new();
        for room in self.all() {
            for member in room.lock().members.values() {
                all.push((room.name.clone(), Arc::clone(&member.user)));
            }
        }
        all
    }

    /// Returns the rooms whose roster has to be read from the store.
    pub(crate) fn unknown_rosters(&self) -> Vec<RoomName> {
        let mut unknown = self.all();
        unknown.retain(|room| !room.lock().roster.is_known());
        unknown.iter().map(|room| room.name.clone()).collect()
    }

    /// Replaces the roster of a room by the one that was read from the store.
    pub(crate) fn replace_roster(
        &self,
        name: &RoomName,
        version: u64,
        members: BTreeMap<UserId, String>,
    ) {
        if let Some(room) = self.find(name) {
            let mut presence = room.lock();
            let update = presence.roster.replace(version, members);
            let is_known = room.announce(update);
            self.report_if_unknown(is_known);
        }
    }

    /// Applies a change of a roster, which the store has sent to all servers.
    pub(crate) fn apply_presence_change(&self, name: &RoomName, change: PresenceChange) {
        if let Some(room) = self.find(name) {
            let mut presence = room.lock();
            let update = presence.roster.apply(change);
            let is_known = room.announce(update);
            self.report_if_unknown(is_known);
        }
    }

    /// Sends `typing` to everybody in the room on this server.
    pub(crate) fn deliver_typing(&self, name: &RoomName, user: UserId, user_name: &str) {
        if let Some(room) = self.find(name) {
            room.send(&Event::typing(user, user_name));
        }
    }

    /// Makes all readers lag, because events may have been lost on the way to this server. The readers read the log,
    /// and all rosters are read again.
    pub(crate) fn signal_gap(&self) {
        for room in self.all() {
            room.lock().roster.invalidate();
            room.events.lag_all();
        }
        self.report_if_unknown(false);
    }

    fn report_if_unknown(&self, is_known: bool) {
        if let Some(cluster) = self.cluster.as_ref().filter(|_| !is_known) {
            cluster.members_changed();
        }
    }
}
