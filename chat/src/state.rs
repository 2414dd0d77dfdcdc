//! [`ChatState`]: what all handlers share.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::future::BoxFuture;
use shared::error::Error;

use crate::backend::{self, Backend, BackendFlags, OpenError};
use crate::metrics::{self, Metrics};
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

    /// Serve metrics for Prometheus at this address, such as 127.0.0.1:9006, path /metrics [default: not at all]
    #[arg(long, env, value_name = "ADDRESS")]
    pub(crate) metrics: Option<SocketAddr>,
}

/// What all handlers share.
pub(crate) struct ChatState {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) rooms: Rooms,
    /// How many messages and polls a user may send in a second; 0 is no limit.
    pub(crate) rate: u32,
    pub(crate) metrics: Arc<Metrics>,
    /// The second listener, for `--metrics`.
    metrics_server: Option<ServerHandle>,
}

impl ChatState {
    /// Opens the store and the listener of the metrics, before the server listens.
    pub(crate) async fn open(flags: &Flags) -> Result<web::Data<Self>, OpenError> {
        let rooms = Rooms::new(flags.connections.into(), EVENT_BUFFER);
        let (backend, rooms) = backend::open(&flags.backend, rooms).await?;
        let mut chat = Self::new(backend, rooms, flags.rate);
        if let Some(address) = flags.metrics {
            chat.metrics_server = Some(metrics::serve(address, &chat.metrics)?);
        }
        Ok(web::Data::new(chat))
    }

    /// Creates the state of a server without a listener for metrics.
    pub(crate) fn new(backend: Arc<dyn Backend>, rooms: Rooms, rate: u32) -> Self {
        Self {
            backend,
            rooms,
            rate,
            metrics: Arc::new(Metrics::new()),
            metrics_server: None,
        }
    }

    /// Prepares for the end of the server: see [`Backend::close`].
    pub(crate) fn close(chat: web::Data<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            chat.backend.close().await;
            if let Some(server) = &chat.metrics_server {
                server.stop(false).await;
            }
        })
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
