//! Three ways to read a room from a cursor, and the POST requests with which clients of two of them send messages.

pub(crate) mod long_poll;
pub(crate) mod post;
mod request;
pub(crate) mod sse;
pub(crate) mod websocket;

/// The largest body of a POST and the largest WebSocket message, in bytes. A text of 2,000 characters fits in any
/// script, and even with escapes in most scripts (`\u4e09`).
pub(crate) const MAX_BODY: u16 = 16 * 1024;
