//! The routes that every server has: static files, `POST /cut`, and the response to everything else.

use actix_files::Files;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::running;
use crate::catalog::static_folder;
use crate::cut::Cut;
use crate::error::{Error, MAX_BODY};
use crate::settings::Settings;

/// Adds the routes that every server has, and the errors for a body, a path or a query that cannot be parsed.
pub(super) fn common_routes(app: &mut ServiceConfig, app_folder: &str) {
    let path = web::PathConfig::default().error_handler(|error, _| {
        let message = format!("The path of the address is not as expected: {error}.");
        Error::bad_request(message).into()
    });
    let query = web::QueryConfig::default().error_handler(|error, _| {
        let message = format!("The query of the address is not as expected: {error}.");
        Error::bad_request(message).into()
    });
    app.app_data(json_config(MAX_BODY))
        .app_data(path)
        .app_data(query)
        .service(web::resource("/cut").route(web::post().to(cut)))
        // Before the folder that it seems to be in.
        .service(web::resource("/shared/running.json").route(web::get().to(running::running)))
        .service(files("/static", app_folder))
        .service(files("/shared", env!("CARGO_MANIFEST_DIR")));
}

/// Returns the configuration for JSON bodies: the largest has `limit` bytes, and a bad one gets a clear error.
#[must_use]
pub fn json_config(limit: usize) -> web::JsonConfig {
    web::JsonConfig::default()
        .limit(limit)
        .error_handler(|error, _| Error::from(error).into())
}

/// Handles `POST /cut`: ends all open streams and held requests. Only the machine that the server runs on may send it:
/// in a classroom, one student must not cut the streams of the others.
async fn cut(
    request: HttpRequest,
    cut: web::Data<Cut>,
    settings: web::Data<Settings>,
) -> Result<HttpResponse, Error> {
    let peer = request.peer_addr();
    let is_local = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    if !(settings.can_cut && is_local) || came_through_proxy(&request) {
        return Err(Error::forbidden(
            "This works only on the machine that the server runs on, without a proxy in between, and only while no \
             other machine can reach the server (--host 127.0.0.1, and not --no-cut).",
        ));
    }
    cut.cut_now();
    Ok(HttpResponse::NoContent().finish())
}

/// Returns whether a header shows that the request came through a proxy (RFC 7239, RFC 9110 §7.6.3). With a proxy on
/// the same machine, every client would seem to be local.
fn came_through_proxy(request: &HttpRequest) -> bool {
    let mut names = request.headers().keys().map(HeaderName::as_str);
    names.any(|name| matches!(name, "forwarded" | "via") || name.starts_with("x-forwarded-"))
}

/// Returns a service with the files of a crate's folder `static`. `mount` is the path of the folder in URLs.
fn files(mount: &str, crate_folder: &str) -> Files {
    Files::new(mount, static_folder(crate_folder))
        .prefer_utf8(true)
        .disable_content_disposition()
        // `no_route` would respond to a missing file with 405, because the folder has a route.
        .default_handler(web::to(|| async { Err::<HttpResponse, _>(not_found()) }))
}

/// Responds to requests that match no route: with 405 if the path has a route, which then is for GET, and else with
/// 404. (A `web::resource` responds with 405 by itself.)
pub(super) async fn no_route(request: HttpRequest) -> Result<HttpResponse, Error> {
    if request.resource_map().has_resource(request.path()) {
        return Ok(HttpResponse::MethodNotAllowed().finish());
    }
    Err(not_found())
}

fn not_found() -> Error {
    Error::for_status(StatusCode::NOT_FOUND)
}
