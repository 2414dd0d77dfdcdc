//! [`serve_app`]: the server around an app. It reads flags, listens, guards every request, and stops cleanly.
//!
//! actix runs one thread for each core, and each thread has a single-threaded runtime of its own. A connection stays on
//! its thread, and so does everything that its handler spawns. That is why such code may use `Rc`, and why what all
//! threads share is in `web::Data` (an `Arc`).

mod capacity;
mod chunked;
mod flags;
mod http1;
mod origin;
mod policy;
mod routes;
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
use log::LevelFilter;

use crate::catalog::Lesson;
use crate::cut::Cut;
use crate::settings::Settings;
use capacity::Capacity;
use flags::Flags;
pub use http1::was_head;
use origin::AllowedOrigins;
pub(crate) use policy::{policy_for_frames, security_header_bytes};
pub use routes::json_config;

/// How long an idle connection stays open. It must be longer than a browser's polling interval of a second, or each poll
/// pays for a new connection.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long a connection may take to close. With actix's default, a second, a WebSocket would linger for so long after
/// its Close frame. But it must be more than half a second: actix counts from a clock that it reads twice a second, and
/// never notices a deadline that has passed when it is set (actix-http 3.20). Then the connection would stay until its
/// client closes it.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(600);

/// How many seconds a graceful stop waits for connections that do not end on [`Cut`], such as one whose client does not
/// read.
const SHUTDOWN_SECONDS: u64 = 1;

/// Why the server could not start, and what to do about it.
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
    /// The app could not open its own resources; the message says which and what to do.
    #[error("{0}")]
    Open(String),
    #[error("the server failed: {0}")]
    Server(#[from] io::Error),
}

impl StartError {
    fn listening(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::PortTaken(address),
            _ => Self::Listen { address, error },
        }
    }
}

/// Runs a server until Ctrl-C or SIGTERM, for an app with a page and a state of its own, such as the chat. `open` makes
/// the state from the flags `Extra`, once, before the server listens. If that fails, its error is the one line on
/// stderr. `configure` adds the routes. It is called for each worker thread, always with the same state.
///
/// Returns exit code 0 after a stop, and 1 if the server could not start. A bad flag ends the process with clap's message
/// and exit code 2.
pub async fn serve_app<Extra, State, Failure, Open, Configure>(
    lesson: Lesson,
    open: Open,
    configure: Configure,
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
    match run(lesson, flags, open, configure).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is closed, only the exit code says so.
            writeln!(io::stderr(), "{}: {error}.", lesson.name).ok();
            ExitCode::FAILURE
        }
    }
}

/// Starts to log to stderr: warnings, or what `RUST_LOG` asks for.
fn init_logging() {
    env_logger::Builder::new()
        .filter_level(LevelFilter::Warn)
        // Any client can cause an error line there, by sending something that is not HTTP.
        .filter_module("actix_http", LevelFilter::Off)
        .parse_default_env()
        .init();
}

async fn run<Extra, State, Failure, Open, Configure>(
    lesson: Lesson,
    flags: Flags<Extra>,
    open: Open,
    configure: Configure,
) -> Result<(), StartError>
where
    Extra: Args,
    State: Clone + Send + 'static,
    Failure: Display,
    Open: AsyncFnOnce(&Extra) -> Result<State, Failure>,
    Configure: Fn(&mut ServiceConfig, &State) + Clone + Send + 'static,
{
    let cut = Cut::default();
    let address = resolve_address(&flags)?;
    let capacity = Capacity::of_this_process();
    // Everything that all threads share is made here, once. Made inside the closure below, each worker thread would have
    // users of its own.
    let state = open(&flags.extra).await;
    let state = state.map_err(|error| StartError::Open(error.to_string()))?;
    let server_data = ServerData::new(lesson, &flags, address, cut.clone());

    let server = HttpServer::new(move || {
        App::new()
            .configure(|app| server_data.add_to(app))
            .configure(|app| configure(app, &state))
            .configure(|app| routes::common_routes(app, lesson.folder))
            .default_service(web::to(routes::no_route))
            // The last one wrapped is the first that a request passes.
            .wrap(from_fn(http1::request_timeout))
            .wrap(from_fn(chunked::refuse_chunked_get))
            .wrap(from_fn(origin::same_origin))
            .wrap(origin::cors(&server_data.allowed_origins))
            .wrap(from_fn(http1::head_as_get))
            .wrap(from_fn(http1::unchunked_for_http_1_0))
            .wrap(from_fn(policy::json_errors))
            .wrap(policy::security_headers())
            .wrap(from_fn(policy::log_requests))
            .wrap(from_fn(chunked::keep_chunked_body))
    })
    // By default actix keeps a stream or a held request after its client has disconnected: the client's FIN might only
    // mean "I have sent everything". With this, a client that really means that gets no response; browsers never do.
    .h1_allow_half_closed(false)
    // Without this, a client that has just sent something gets the next push about 40 ms late: the small write waits for
    // an acknowledgement that the other side delays.
    .tcp_nodelay(true)
    .workers(capacity.workers)
    .max_connections(capacity.per_worker)
    .keep_alive(KEEP_ALIVE)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .on_connect(move |connection, _| sockets::configure(connection, &capacity))
    .shutdown_signal(shutdown_signal(cut)?)
    .bind(address)
    .map_err(|error| StartError::listening(address, error))?;

    print_address(lesson, server.addrs().first().copied().unwrap_or(address));
    Ok(server.run().await?)
}

/// What the handlers of every app may ask for. Clones are handles to the same data.
#[derive(Clone)]
struct ServerData {
    cut: web::Data<Cut>,
    settings: web::Data<Settings>,
    allowed_origins: web::Data<AllowedOrigins>,
}

impl ServerData {
    fn new(lesson: Lesson, flags: &Flags<impl Args>, address: SocketAddr, cut: Cut) -> Self {
        let allowed_origins = AllowedOrigins(flags.allow_origin.clone());
        let settings = Settings {
            heartbeat: flags.heartbeat,
            lesson,
            can_cut: address.ip().is_loopback() && !flags.no_cut,
            allowed_origins: allowed_origins.to_text(),
        };
        Self {
            cut: web::Data::new(cut),
            settings: web::Data::new(settings),
            allowed_origins: web::Data::new(allowed_origins),
        }
    }

    fn add_to(&self, app: &mut ServiceConfig) {
        app.app_data(self.cut.clone())
            .app_data(self.settings.clone())
            .app_data(self.allowed_origins.clone());
    }
}

/// Returns the address to listen on. A name with several addresses means its IPv4 address: with `--port 0` each address
/// would have a port of its own.
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

/// Prints the one line on stdout, for people and for programs that start a lesson.
fn print_address(lesson: Lesson, address: SocketAddr) {
    let mut stdout = io::stdout().lock();
    let line = writeln!(stdout, "{}: http://{address}/", lesson.name);
    if let Err(error) = line.and_then(|()| stdout.flush()) {
        log::warn!("cannot write to stdout: {error}");
    }
}

/// Returns a future that ends at Ctrl-C or SIGTERM, after it has cut everything that hangs or streams. A graceful stop
/// waits for open connections, and these would never end by themselves.
fn shutdown_signal(cut: Cut) -> io::Result<impl Future<Output = ()> + Send + 'static> {
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
        cut.shut_down();
    })
}
