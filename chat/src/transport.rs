//! Three ways to read a room from a cursor, and the POST that two of them need to send something.

pub(crate) mod long_poll;
pub(crate) mod post;
mod request;
pub(crate) mod sse;
pub(crate) mod websocket;

/// The largest body of a POST, and the largest WebSocket message, in bytes: 2,000 characters of any script, and most
/// of those that are escaped.
pub(crate) const MAX_BODY: u16 = 16 * 1024;
