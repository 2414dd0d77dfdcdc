//! [`serve_app`]: the server around an app. It reads the flags, listens, checks every request, and stops cleanly.
//! Lessons 1 to 5 call `shared::serve`, which is in `lesson.rs` and calls this.
//!
//! actix runs one worker thread for each core (fewer if the process may open few files: `serve/capacity.rs`), and each worker thread has a single-threaded runtime of its own. A
//! connection stays on one worker thread, together with all tasks that its handler spawns. So these tasks may use `Rc`,
//! and data that all threads share is in `web::Data` (an `Arc`).

mod capacity;
mod choose_language;
mod chunked;
mod error_page;
mod flags;
mod http1;
mod origin;
mod pieces;
mod policy;
mod routes;
mod running;
mod sockets;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpServer};
use clap::Args;
use futures_util::future::BoxFuture;
use log::LevelFilter;

use crate::catalog::Lesson;
use crate::cut::Cut;
use crate::settings::Settings;
use capacity::Capacity;
pub use choose_language::choose_language;
use flags::Flags;
pub use http1::was_head;
use origin::AllowedOrigins;
pub use policy::OnRefusal;
pub(crate) use policy::{policy_for_frames, security_header_bytes};
pub use routes::json_config;
pub(crate) use running::running_lessons;

/// How long an idle connection stays open. It must be longer than the second between two polls of lesson 1. Otherwise
/// each poll would need a new connection. With half a minute, a page that somebody uses now and then keeps its
/// connection.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long a connection may take to close. actix's default is a second, and a WebSocket would stay open that long
/// after its Close frame. The time must be longer than half a second, because actix reads its clock only twice a
/// second. With a shorter time the deadline can be in the past when actix sets it. actix-http 3.20 never notices such a
/// deadline, and the connection stays open until its client closes it.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(600);

/// How many seconds a stop waits for connections that [`Cut`] does not end, such as one whose client has stopped
/// reading.
const SHUTDOWN_SECONDS: u64 = 1;

/// Why the server could not start or had to end, and how to solve the problem.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(
        "there is no address called {host}: {error}. Give an IP address to --host, such as 127.0.0.1 (or \
         unset the environment variable HOST, if it comes from there)"
    )]
    Host { host: String, error: io::Error },
    #[error(
        "port {} on {} is taken. Stop the program that uses it, or choose another port with \
         --port (0 picks a free one)",
        .0.port(), .0.ip()
    )]
    PortTaken(SocketAddr),
    #[error("cannot listen on {address}: {error}. Choose another address with --host and --port")]
    Listen {
        address: SocketAddr,
        error: io::Error,
    },
    /// The app could not create its state. The message comes from the app.
    #[error("{0}")]
    Open(String),
    #[error("the server failed: {0}")]
    Server(#[from] io::Error),
}

impl StartError {
    /// Returns the error for a state that the app could not create, such as a store that it could not open.
    fn opening(error: impl Display) -> Self {
        Self::Open(error.to_string())
    }

    /// Returns why the server cannot listen on `address`.
    fn listening(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::PortTaken(address),
            _ => Self::Listen { address, error },
        }
    }
}

/// Runs a server until Ctrl-C or SIGTERM, for an app with a page and a state of its own, such as the chat. `Extra` are
/// the app's own flags. `open` creates the state from them, once, before the server listens. If `open` fails, its error
/// is printed on stderr. `configure` adds the routes. It is called once for each worker thread, always with the same
/// state. `close` is called at a stop, when all streams have been cut, and delays the end of the process; so it must not
/// take longer than half a second.
///
/// Returns exit code 0 after a stop, and 1 if the server could not start. A bad flag ends the process with clap's
/// message and exit code 2.
pub async fn serve_app<Extra, State, Failure, Open, Configure>(
    lesson: Lesson,
    open: Open,
    configure: Configure,
    close: fn(State) -> BoxFuture<'static, ()>,
) -> ExitCode
where
    Extra: Args,
    State: Clone + Send + 'static,
    Failure: Display,
    Open: AsyncFnOnce(&Extra) -> Result<State, Failure>,
    Configure: Fn(&mut ServiceConfig, &State) + Clone + Send + 'static,
{
    let flags: Flags<Extra> = Flags::read(lesson.info());
    init_logging();
    match run(lesson, flags, open, configure, close).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is closed, the exit code alone shows the failure.
            writeln!(io::stderr(), "{}: {error}.", lesson.name).ok();
            ExitCode::FAILURE
        }
    }
}

/// Starts to log to stderr: warnings and errors, or what the environment variable `RUST_LOG` selects.
fn init_logging() {
    env_logger::Builder::new()
        .filter_level(LevelFilter::Warn)
        // actix-http logs an error for each request that is not HTTP, so any client could fill the log.
        .filter_module("actix_http", LevelFilter::Off)
        .parse_default_env()
        .init();
}

/// Listens, and serves until a stop.
async fn run<Extra, State, Failure, Open, Configure>(
    lesson: Lesson,
    flags: Flags<Extra>,
    open: Open,
    configure: Configure,
    close: fn(State) -> BoxFuture<'static, ()>,
) -> Result<(), StartError>
where
    Extra: Args,
    State: Clone + Send + 'static,
    Failure: Display,
    Open: AsyncFnOnce(&Extra) -> Result<State, Failure>,
    Configure: Fn(&mut ServiceConfig, &State) + Clone + Send + 'static,
{
    let address = resolve_address(&flags)?;
    let capacity = Capacity::of_this_process();
    // All threads share what is created here. The closure below runs once for each worker thread: if it created the
    // users, each worker thread would have users of its own.
    let state = open(&flags.extra).await.map_err(StartError::opening)?;
    let server_data = ServerData::new(lesson, &flags, address);
    let stop = shutdown_signal(server_data.cut.clone(), close(state.clone()))?;

    let server = HttpServer::new(move || {
        App::new()
            .configure(|app| server_data.add_to(app))
            .configure(|app| configure(app, &state))
            .configure(|app| routes::common_routes(app, lesson.folder))
            .default_service(web::to(routes::no_route))
            // A request passes these from the last line to the first, and its response passes back. "Before" and
            // "after" mean the order of the request.
            .wrap(from_fn(http1::request_timeout))
            // After `head_as_get`, so that a HEAD with such a body is refused, too.
            .wrap(from_fn(chunked::refuse_get_body))
            // After `head_as_get`, because a HEAD with an `Upgrade` header is no WebSocket.
            .wrap(from_fn(origin::same_origin))
            // Before `same_origin`, because `cors` itself responds to preflights.
            .wrap(origin::cors(&server_data.allowed_origins))
            .wrap(from_fn(http1::head_as_get))
            .wrap(from_fn(http1::unchunked_for_http_1_0))
            // These three are before everything that may refuse a request. So a refusal gets a sentence, the headers and
            // a line in the log, too. (The 408 of `request_timeout` is an `Err`, and gets only JSON.)
            .wrap(from_fn(policy::readable_errors))
            // Before all routes: every page has the link, the page of an error, too.
            .wrap(from_fn(choose_language))
            .wrap(policy::security_headers())
            .wrap(from_fn(policy::log_requests))
            // Before everything that may replace the response's body. `send_in_pieces` only wraps it.
            .wrap(from_fn(chunked::keep_chunked_body))
            // The first, so that it cuts the bodies of all responses into pieces.
            .wrap(from_fn(pieces::send_in_pieces))
    })
    // When a client closes its half of a connection (TCP FIN), it may still want the response. So by default actix
    // keeps the stream or the held request. But a browser that sends a FIN does not want the response.
    .h1_allow_half_closed(false)
    // Without this, a client that has just sent something gets the next update about 40 ms late: TCP holds a small
    // write back until the client has acknowledged the previous one (Nagle's algorithm), and the client delays that.
    .tcp_nodelay(true)
    .h1_write_buffer_size(pieces::WRITE_BUFFER)
    .workers(capacity.workers)
    .max_connections(capacity.per_worker)
    .keep_alive(KEEP_ALIVE)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .on_connect(move |connection, _| sockets::configure(connection, &capacity, flags.heartbeat))
    .shutdown_signal(stop)
    .bind(address)
    .map_err(|error| StartError::listening(address, error))?;

    print_address(lesson, server.addrs().first().copied().unwrap_or(address));
    Ok(server.run().await?)
}

/// The data that the handlers of every app can use. Clones are handles to the same data.
#[derive(Clone)]
struct ServerData {
    cut: web::Data<Cut>,
    settings: web::Data<Settings>,
    allowed_origins: web::Data<AllowedOrigins>,
}

impl ServerData {
    fn new(lesson: Lesson, flags: &Flags<impl Args>, address: SocketAddr) -> Self {
        let allowed_origins = AllowedOrigins(flags.allow_origin.clone());
        let settings = Settings {
            heartbeat: flags.heartbeat,
            lesson,
            can_cut: address.ip().is_loopback() && !flags.no_cut,
            allowed_origins: allowed_origins.to_text(),
        };
        Self {
            cut: web::Data::new(Cut::default()),
            settings: web::Data::new(settings),
            allowed_origins: web::Data::new(allowed_origins),
        }
    }

    /// Makes the data available to the handlers of `app`.
    fn add_to(&self, app: &mut ServiceConfig) {
        app.app_data(self.cut.clone())
            .app_data(self.settings.clone())
            .app_data(self.allowed_origins.clone());
    }
}

/// Returns the address to listen on. If a name has several addresses, the first IPv4 address is used: with `--port 0`,
/// each address would get a different port.
fn resolve_address(flags: &Flags<impl Args>) -> Result<SocketAddr, StartError> {
    let unknown = |error| StartError::Host {
        host: flags.host.clone(),
        error,
    };
    let mut addresses: Vec<_> = (flags.host.as_str(), flags.port)
        .to_socket_addrs()
        .map_err(unknown)?
        .collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let none = || unknown(io::Error::from(io::ErrorKind::NotFound));
    addresses.first().copied().ok_or_else(none)
}

/// Prints one line on stdout, the only one, for people and for programs that start a lesson.
fn print_address(lesson: Lesson, address: SocketAddr) {
    let mut stdout = io::stdout().lock();
    let line = writeln!(stdout, "{}: http://{address}/", lesson.name);
    if let Err(error) = line.and_then(|()| stdout.flush()) {
        log::warn!("cannot write to stdout: {error}");
    }
}

/// Returns a future that waits for Ctrl-C or SIGTERM. It then cuts all open streams and held requests, because a graceful
/// stop waits for open responses, and these would never end by themselves. At last it waits for `closing`.
fn shutdown_signal(
    cut: web::Data<Cut>,
    closing: BoxFuture<'static, ()>,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let stop = stop_signal()?;
    Ok(async move {
        stop.await;
        cut.shut_down();
        closing.await;
    })
}

/// Returns a future that waits for Ctrl-C or SIGTERM. After this call, neither ends the process by itself.
///
/// # Errors
/// If the system does not allow the process to handle them.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    let (mut interrupt, mut terminate) = {
        use tokio::signal::unix::{SignalKind, signal};
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    #[cfg(windows)]
    let (mut interrupt, mut terminate) = (
        tokio::signal::windows::ctrl_c()?,
        tokio::signal::windows::ctrl_shutdown()?,
    );
    Ok(async move {
        futures_util::future::select(Box::pin(interrupt.recv()), Box::pin(terminate.recv())).await;
    })
}
