//! [`Metrics`]: what this server has done and how it is doing, as numbers for Prometheus.
//!
//! With `--metrics ADDRESS` a second, small server answers `GET /metrics` there. The address is never the public one:
//! the numbers are for those who run the server. `SCALING.md` says what each number means.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, rt, web};
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use shared::{OnRefusal, error::Error};

use crate::log::Receipt;

/// The upper bounds of the histogram's buckets, in seconds. A disk acknowledges within milliseconds. At 5 s the store
/// counts as unavailable, and there is no acknowledgement any more.
const ACKNOWLEDGEMENT_BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// How many connections the listener of the metrics accepts: one Prometheus needs one, and a person with a browser a few.
const MAX_SCRAPERS: usize = 8;

/// The one label that a metric has, and its value: `[("transport", "sse")]`. There are only a few values, because
/// Prometheus keeps a series of its own for each.
type Label = [(&'static str, &'static str); 1];

/// The ways to read a room, as the metrics tell them apart.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Transport {
    WebSocket,
    Sse,
    LongPoll,
}

impl Transport {
    const ALL: [Self; 3] = [Self::WebSocket, Self::Sse, Self::LongPoll];

    /// Returns the name that the page and the metrics use.
    fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Sse => "sse",
            Self::LongPoll => "long-poll",
        }
    }
}

/// What happened to a reader that had missed events, because it did not read in time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LagOutcome {
    /// It has got the missed messages from the log.
    ReadFromLog,
    /// Its connection has ended before, because the client did not read any more.
    Disconnected,
}

impl LagOutcome {
    const ALL: [Self; 2] = [Self::ReadFromLog, Self::Disconnected];

    fn label(self) -> Label {
        match self {
            Self::ReadFromLog => [("outcome", "read_from_log")],
            Self::Disconnected => [("outcome", "disconnected")],
        }
    }
}

/// The metrics of this server. All are counted even without `--metrics`, which costs next to nothing.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    connections: Family<Label, Gauge>,
    messages: Counter,
    acknowledgement: Histogram,
    lagging_readers: Family<Label, Counter>,
    refused_requests: Family<Label, Counter>,
    open_files: Gauge,
    max_files: Gauge,
}

impl Metrics {
    /// Creates metrics that are all 0.
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            connections: Family::default(),
            messages: Counter::default(),
            acknowledgement: Histogram::new(ACKNOWLEDGEMENT_BUCKETS),
            lagging_readers: Family::default(),
            refused_requests: Family::default(),
            open_files: Gauge::default(),
            max_files: Gauge::default(),
        };
        metrics.register();
        // So that these are 0 from the start, and not missing until the first of them.
        for transport in Transport::ALL {
            metrics.connections.get_or_create(&label(transport)).set(0);
        }
        for outcome in LagOutcome::ALL {
            let lagging = &metrics.lagging_readers;
            lagging.get_or_create(&outcome.label()).inc_by(0);
        }
        metrics
    }

    /// Gives the metrics their names (Prometheus, "Metric and label naming"). A counter gets `_total`, and a unit is
    /// appended, too.
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "chat_connections",
            "Open connections of readers",
            self.connections.clone(),
        );
        registry.register("chat_messages", "Messages stored", self.messages.clone());
        registry.register_with_unit(
            "chat_acknowledgement",
            "Time from the arrival of a message to its acknowledgement",
            Unit::Seconds,
            self.acknowledgement.clone(),
        );
        registry.register(
            "chat_lagging_readers",
            "Times that a reader had missed events because it did not read in time",
            self.lagging_readers.clone(),
        );
        registry.register(
            "chat_refused_requests",
            "Requests and WebSocket frames that were answered with an error",
            self.refused_requests.clone(),
        );
        let (open, max) = (self.open_files.clone(), self.max_files.clone());
        registry.register("process_open_fds", "Open file descriptors", open);
        registry.register("process_max_fds", "Most open file descriptors", max);
    }

    /// Counts a connection until the returned value is dropped.
    pub(crate) fn open_connection(self: &Arc<Self>, transport: Transport) -> OpenConnection {
        self.connections.get_or_create(&label(transport)).inc();
        OpenConnection {
            metrics: Arc::clone(self),
            transport,
        }
    }

    /// Counts an acknowledged message, `delay` after its arrival. A repeat is acknowledged, but no new message.
    pub(crate) fn count_acknowledgement(&self, receipt: &Receipt, delay: Duration) {
        self.acknowledgement.observe(delay.as_secs_f64());
        if receipt.created {
            self.messages.inc();
        }
    }

    /// Counts a request that was refused for this reason, over HTTP or over a WebSocket.
    pub(crate) fn count_refusal(&self, reason: &'static str) {
        let label = [("reason", reason)];
        self.refused_requests.get_or_create(&label).inc();
    }

    /// Returns the observer that counts the requests that are refused over HTTP.
    pub(crate) fn on_refusal(self: &Arc<Self>) -> OnRefusal {
        let metrics = Arc::clone(self);
        OnRefusal::new(move |reason| metrics.count_refusal(reason))
    }

    /// Returns all metrics in Prometheus's text format.
    fn encode(&self) -> Result<String, Error> {
        self.open_files.set(open_files().unwrap_or_default());
        self.max_files.set(max_files().unwrap_or_default());
        let mut text = String::new();
        let encoded = prometheus_text::encode(&mut text, &self.registry);
        encoded.map_err(|_| Error::internal())?;
        Ok(text)
    }
}

/// An open connection of a reader. Dropping it removes the connection from the metrics.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    metrics: Arc<Metrics>,
    transport: Transport,
}

impl OpenConnection {
    /// Counts that the reader of this connection has missed events.
    pub(crate) fn count_lag(&self, outcome: LagOutcome) {
        let lagging = &self.metrics.lagging_readers;
        lagging.get_or_create(&outcome.label()).inc();
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let connections = &self.metrics.connections;
        connections.get_or_create(&label(self.transport)).dec();
    }
}

fn label(transport: Transport) -> Label {
    [("transport", transport.name())]
}

/// Returns how many files this process has open, from Linux's `/proc` (`man 5 proc`). `None` on other systems.
fn open_files() -> Option<i64> {
    let files = std::fs::read_dir("/proc/self/fd").ok()?;
    // Without the folder itself, which is open while it is read.
    i64::try_from(files.count()).ok()?.checked_sub(1)
}

/// Returns how many files this process may open, from the line `Max open files  SOFT  HARD  files`.
fn max_files() -> Option<i64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let mut lines = limits.lines();
    let limit = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    match limit.split_whitespace().next()? {
        "unlimited" => Some(i64::MAX),
        soft => soft.parse().ok(),
    }
}

/// Serves `GET /metrics` at `address`, in a task of its own, until the handle stops it.
pub(crate) fn serve(address: SocketAddr, metrics: &Arc<Metrics>) -> Result<ServerHandle, String> {
    let metrics = web::Data::from(Arc::clone(metrics));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(metrics.clone())
            .route("/metrics", web::get().to(scrape))
    })
    .workers(1)
    .max_connections(MAX_SCRAPERS)
    // The chat's own server handles them, and then stops this one.
    .disable_signals()
    .bind(address)
    .map_err(|error| describe_bind_error(address, &error))?
    .run();
    let handle = server.handle();
    rt::spawn(server);
    Ok(handle)
}

fn describe_bind_error(address: SocketAddr, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => "another program uses that port".to_owned(),
        _ => error.to_string(),
    };
    format!("cannot serve metrics at {address}: {why}. Choose another address with --metrics")
}

/// Handles `GET /metrics`.
async fn scrape(metrics: web::Data<Metrics>) -> Result<HttpResponse, Error> {
    let text = metrics.encode()?;
    Ok(HttpResponse::Ok()
        .content_type(prometheus_text::CONTENT_TYPE)
        .body(text))
}

#[cfg(test)]
impl OpenConnection {
    /// Creates a connection that is the only one in its metrics.
    pub(crate) fn test() -> Self {
        Arc::new(Metrics::new()).open_connection(Transport::Sse)
    }
}
