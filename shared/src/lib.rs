//! The code that all lessons need, but that no lesson explains.
//!
//! A lesson's `main.rs` calls [`serve()`] with its own routes. `serve` adds everything else: flags, logs, the page,
//! `POST /users`, limits, errors, and a clean stop. Handlers get their data as [`actix_web::web::Data`]: the store
//! [`users::Users`], [`cut::Cut`], which ends streams, and the [`Settings`] of this run.
//!
//! How an update gets from the server to the browser is the subject of each lesson, so that code is in the lesson.
//! `shared/README.md` describes the layers of this crate, the rules of the house and the glossary.

pub mod broadcast;
pub mod catalog;
pub mod clock;
pub mod cut;
pub mod error;
mod file_lock;
pub mod host;
mod json_object;
pub mod language;
mod lesson;
pub mod page;
pub mod sentences;
mod serve;
mod settings;
pub mod users;
mod visible_text;
pub mod websocket;

pub use catalog::Lesson;
pub use file_lock::FileLock;
pub use json_object::JsonObject;
pub use lesson::{healthy, serve, serve_with_flags};
pub use serve::{OnRefusal, choose_language, json_config, serve_app, stop_signal, was_head};
pub use settings::{Settings, parse_seconds};
pub use visible_text::is_visible;
