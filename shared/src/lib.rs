//! What all lessons need and no lesson is about.
//!
//! A lesson's `main.rs` calls [`serve()`] with its own routes and gets everything around them:
//! flags, logs, the page, `POST /users`, limits, errors, shutdown. Its handlers take what they
//! need as [`actix_web::web::Data`]: the [`users::Users`] store, the [`cut::Cut`] that ends
//! streams, and the [`Settings`] of this run.
//!
//! How news gets from the server to the browser is what each lesson is for, and stands there.

pub mod broadcast;
pub mod catalog;
pub mod clock;
pub mod cut;
pub mod error;
mod file_lock;
mod json_object;
pub mod page;
mod serve;
pub mod users;
mod visible_text;
pub mod websocket;

pub use file_lock::FileLock;
pub use json_object::JsonObject;
pub use serve::middleware::{forget_headers, was_head};
pub use serve::routes::json_config;
pub use serve::settings::Settings;
pub use serve::{Lesson, serve, serve_app, serve_with_flags};
pub use visible_text::is_visible;
