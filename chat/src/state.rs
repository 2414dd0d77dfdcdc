//! [`ChatState`]: what all handlers share.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::future::BoxFuture;
use shared::error::Error;

use crate::backend::{self, Backend, BackendFlags, OpenError};
use crate::room::{EVENT_BUFFER, Rooms};

/// What a handler returns.
pub(crate) type HandlerResult = Result<HttpResponse, Error>;

/// The flags of the chat.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) backend: BackendFlags,

    /// How many messages and polls a user may send in a second, after a short burst; 0 is no limit
    #[arg(long, env, value_name = "N", default_value_t = 10)]
    pub(crate) rate: u32,

    /// How many connections a user may have at the same time, in all rooms together
    #[arg(long, env, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) connections: u16,
}

/// What all handlers share.
pub(crate) struct ChatState {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) rooms: Rooms,
    /// How many messages and polls a user may send in a second; 0 is no limit.
    pub(crate) rate: u32,
}

impl ChatState {
    /// Opens the store, before the server listens.
    pub(crate) async fn open(flags: &Flags) -> Result<web::Data<Self>, OpenError> {
        let rooms = Rooms::new(flags.connections.into(), EVENT_BUFFER);
        let (backend, rooms) = backend::open(&flags.backend, rooms).await?;
        Ok(web::Data::new(Self {
            backend,
            rooms,
            rate: flags.rate,
        }))
    }

    /// Prepares for the end of the server: see [`Backend::close`].
    pub(crate) fn close(chat: web::Data<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { chat.backend.close().await })
    }
}

/// Handles `GET /health`: returns 200 if messages can be stored and read, or 503 with the reason.
pub(crate) async fn health(chat: web::Data<ChatState>) -> HandlerResult {
    chat.backend.check().await?;
    Ok(shared::healthy())
}

/// Returns a value that the app shares with its handlers, such as [`ChatState`].
pub(crate) fn app_data<T: 'static>(request: &HttpRequest) -> Result<web::Data<T>, Error> {
    request.app_data().cloned().ok_or_else(Error::internal)
}
