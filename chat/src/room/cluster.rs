//! [`Cluster`]: how the rooms of a server report to the other servers of the same chat.

use crate::input::RoomName;
use crate::user::User;

/// Receives the reports of the rooms. A room is locked during a call, so an implementation only notifies a task of its
/// own and returns.
pub(crate) trait Cluster: Send + Sync {
    /// Reports that a user has joined or left a room on this server, or that the roster of a room is unknown. The task
    /// then compares `Rooms::local_members` with its last report, and reads the rosters of `Rooms::unknown_rosters`.
    fn members_changed(&self);

    /// Reports that `user` is typing. If the user is in the room, on any server, every server then calls
    /// `Rooms::deliver_typing`, this one included.
    fn typing(&self, room: &RoomName, user: &User);
}
