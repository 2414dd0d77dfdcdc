//! [`serve`]: a lesson's routes, and everything around them.

mod capacity;
mod chunked;
pub(crate) mod middleware;
mod origin;
pub(crate) mod routes;
pub(crate) mod settings;
mod sockets;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpServer};
use clap::Args;
use log::LevelFilter;

use crate::{catalog, cut::Cut, users::Users};
use capacity::Capacity;
use settings::{Flags, LessonFlags, NoFlags, Settings};

/// How long an idle connection is kept. It must be longer than a browser's polling interval of a
/// second, or each poll pays for a new connection.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long a connection that is being closed may take to say goodbye. actix's default of a second
/// is how long a WebSocket would linger after its Close frame. But it must be more than half a second:
/// actix counts from a clock that it looks at twice a second, and never notices a deadline that has
/// passed when it is set (actix-http 3.20), so that the connection would stay until its client goes.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(600);

/// How many seconds a graceful stop waits for connections that do not end on [`Cut`], such as one
/// whose client does not read.
const SHUTDOWN_SECONDS: u64 = 1;

/// Which lesson this is.
#[derive(Debug, Clone, Copy)]
pub struct Lesson {
    /// The crate's name, `env!("CARGO_PKG_NAME")`, by which the catalog knows it.
    pub name: &'static str,
    /// The crate's folder, `env!("CARGO_MANIFEST_DIR")`: its `static/` is served from there, so
    /// that an edit shows on reload.
    pub folder: &'static str,
}

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
    /// What the app itself needs could not be had; it says what and what to do.
    #[error("{0}")]
    App(String),
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

/// What the handlers of all worker threads share.
#[derive(Clone)]
struct State {
    cut: web::Data<Cut>,
    settings: web::Data<Settings>,
}

/// Runs a lesson until Ctrl-C or SIGTERM: reads the flags, loads the users, listens, prints one line
/// `NAME: http://ADDRESS/` and serves the routes that `configure` adds besides the common ones.
///
/// Returns exit code 0 after a stop, and 1 with one line on stderr if it could not start. A bad flag
/// ends the process with clap's message and exit code 2.
pub async fn serve<F>(lesson: Lesson, configure: F) -> ExitCode
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    serve_with_flags(lesson, move |app, _: &NoFlags| configure(app)).await
}

/// As [`serve()`], for a lesson that has flags of its own.
pub async fn serve_with_flags<Own, F>(lesson: Lesson, configure: F) -> ExitCode
where
    Own: Args + Clone + Send + 'static,
    F: Fn(&mut ServiceConfig, &Own) + Clone + Send + 'static,
{
    let open = async |flags: &LessonFlags<Own>| {
        let users = match &flags.users {
            Some(file) => Users::in_file(file),
            None => Users::in_memory(),
        };
        users.map(|users| (web::Data::new(users), flags.own.clone()))
    };
    serve_app(lesson, open, move |app, (users, own)| {
        configure(app, own);
        routes::lesson(app, users);
    })
    .await
}

/// As [`serve()`], for a server that is no list of users: it has its own page at `/` and its own
/// state. `open` makes the state of the flags, once, before the server listens; an error there is the
/// one line on stderr. `configure` adds the routes, for each worker thread anew, and the state is
/// what they share.
pub async fn serve_app<Own, Shared, Failure, Open, F>(
    lesson: Lesson,
    open: Open,
    configure: F,
) -> ExitCode
where
    Own: Args,
    Shared: Clone + Send + 'static,
    Failure: Display,
    Open: AsyncFnOnce(&Own) -> Result<Shared, Failure>,
    F: Fn(&mut ServiceConfig, &Shared) + Clone + Send + 'static,
{
    let flags: Flags<Own> = Flags::read(catalog::find(lesson.name));
    start_logging();
    match run(lesson, flags, open, configure).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is closed, too, the exit code has to do.
            writeln!(io::stderr(), "{}: {error}.", lesson.name).ok();
            ExitCode::FAILURE
        }
    }
}

/// Logs to stderr: warnings, or what `RUST_LOG` asks for.
fn start_logging() {
    env_logger::Builder::new()
        .filter_level(LevelFilter::Warn)
        // Any client can make it write an error line, by sending something that is not HTTP.
        .filter_module("actix_http", LevelFilter::Off)
        .parse_default_env()
        .init();
}

async fn run<Own, Shared, Failure, Open, F>(
    lesson: Lesson,
    flags: Flags<Own>,
    open: Open,
    configure: F,
) -> Result<(), StartError>
where
    Own: Args,
    Shared: Clone + Send + 'static,
    Failure: Display,
    Open: AsyncFnOnce(&Own) -> Result<Shared, Failure>,
    F: Fn(&mut ServiceConfig, &Shared) + Clone + Send + 'static,
{
    let cut = Cut::default();
    let address = address(&flags)?;
    let capacity = Capacity::of_this_process();
    // Built out here, once: inside the closure each worker thread would have users of its own.
    let state = State {
        cut: web::Data::new(cut.clone()),
        settings: web::Data::new(Settings::new(lesson, &flags, address)),
    };
    let shared = open(&flags.own).await;
    let shared = shared.map_err(|error| StartError::App(error.to_string()))?;

    let server = HttpServer::new(move || {
        App::new()
            .configure(|app| configure(app, &shared))
            .configure(|app| routes::common(app, &state))
            .default_service(web::to(routes::no_route))
            // The last one wrapped is the first to see a request.
            .wrap(from_fn(middleware::time_limit))
            .wrap(from_fn(chunked::refuse_chunked_get))
            .wrap(from_fn(origin::same_origin))
            .wrap(origin::cross_origin(&state.settings.allowed_origins))
            .wrap(from_fn(middleware::head_as_get))
            .wrap(from_fn(middleware::no_chunks_for_http_1_0))
            .wrap(from_fn(middleware::json_errors))
            .wrap(middleware::security_headers())
            .wrap(from_fn(middleware::log_requests))
            .wrap(from_fn(chunked::keep_chunked_body))
    })
    // By default a stream or a hanging request stays for as long as it likes after its client has
    // gone away: the client's FIN is taken for "I have sent all I had to say". The price is that a
    // client which really means that gets no answer; browsers never do.
    .h1_allow_half_closed(false)
    // Without it, a client that has just sent something gets the next push about 40 ms late: the
    // small write waits for an acknowledgement that the other side delays.
    .tcp_nodelay(true)
    .workers(capacity.workers)
    .max_connections(capacity.per_worker)
    .keep_alive(KEEP_ALIVE)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .on_connect(move |connection, _| sockets::configure(connection, &capacity))
    .shutdown_signal(stop_signal(cut)?)
    .bind(address)
    .map_err(|error| StartError::listening(address, error))?;

    announce(lesson, server.addrs().first().copied().unwrap_or(address));
    Ok(server.run().await?)
}

/// The address to listen on. A name that stands for several means its IPv4 address, because
/// `--port 0` would give each a port of its own.
fn address(flags: &Flags<impl Args>) -> Result<SocketAddr, StartError> {
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

/// The one line on stdout, for people and for programs that start a lesson.
fn announce(lesson: Lesson, address: SocketAddr) {
    let mut stdout = io::stdout().lock();
    let line = writeln!(stdout, "{}: http://{address}/", lesson.name);
    if let Err(error) = line.and_then(|()| stdout.flush()) {
        log::warn!("cannot write to stdout: {error}");
    }
}

/// Resolves at Ctrl-C or SIGTERM, after everything that hangs or streams has been cut: a graceful
/// stop waits for open connections, and these would never end by themselves.
fn stop_signal(cut: Cut) -> io::Result<impl Future<Output = ()> + Send + 'static> {
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
        cut.for_good();
    })
}

/// `FOLDER/static`, the files that the browser gets.
pub(crate) fn static_folder(folder: &str) -> PathBuf {
    [folder, "static"].iter().collect()
}
