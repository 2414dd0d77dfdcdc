//! What all lessons need and no lesson is about.
//!
//! A lesson's `main.rs` calls [`serve()`] with its own routes and gets everything around them: flags, logs, the page,
//! `POST /users`, limits, errors, shutdown. Its handlers take what they need as [`actix_web::web::Data`]: the
//! [`users::Users`] store, the [`cut::Cut`] that ends streams, and the [`Settings`] of this run.
//!
//! How an update gets from the server to the browser is what each lesson is about, and stands in the lesson.
//! `shared/README.md` has the layers of this crate, the rules of the house and the glossary.

pub mod broadcast;
pub mod catalog;
pub mod clock;
pub mod cut;
pub mod error;
mod file_lock;
pub mod host;
mod json_object;
mod lesson;
pub mod page;
mod serve;
mod settings;
pub mod users;
mod visible_text;
pub mod websocket;

pub use catalog::Lesson;
pub use file_lock::FileLock;
pub use json_object::JsonObject;
pub use lesson::{serve, serve_with_flags};
pub use serve::{json_config, serve_app, was_head};
pub use settings::{Settings, parse_seconds};
pub use visible_text::is_visible;
