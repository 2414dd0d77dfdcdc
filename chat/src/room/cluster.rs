//! [`Cluster`]: how a room reports to the other servers of the same chat.

use crate::input::RoomName;
use crate::user::User;

/// Where the rooms of this server report what happens in them. Its methods are called while a room is locked, so
/// they only leave a note and return.
pub(crate) trait Cluster: Send + Sync {
    /// A user has come into a room on this server, or has left it; or the roster of a room is unknown. Compare
    /// `Rooms::local_members`, and read the rosters of `Rooms::unknown_rosters`.
    fn members_changed(&self);

    /// `user` is typing. The event reaches the readers through `Rooms::deliver_typing`, on this server too.
    fn typing(&self, room: &RoomName, user: &User);
}
