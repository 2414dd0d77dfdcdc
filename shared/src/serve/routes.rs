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

/// Adds the routes that every server has, and how bodies, paths and queries are read.
pub(super) fn common_routes(app: &mut ServiceConfig, app_folder: &str) {
    let path = web::PathConfig::default().error_handler(|error, _| {
        let message = format!("The address is not one that is expected here: {error}.");
        Error::bad_request(message).into()
    });
    let query = web::QueryConfig::default().error_handler(|error, _| {
        let message = format!("The query is not one that is expected here: {error}.");
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

/// Returns how to read JSON bodies: `limit` bytes at most, and a clear error otherwise.
#[must_use]
pub fn json_config(limit: usize) -> web::JsonConfig {
    web::JsonConfig::default()
        .limit(limit)
        .error_handler(|error, _| Error::from(error).into())
}

/// `POST /cut`: ends every open stream and every request that is being held. Only for the person at the machine: in a
/// classroom one student's button must not cut the others' streams.
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

/// Returns whether a header tells that a proxy has passed the request on. Behind a proxy on the same machine every
/// client seems to be local (RFC 7239, RFC 9110 §7.6.3).
fn came_through_proxy(request: &HttpRequest) -> bool {
    let mut names = request.headers().keys().map(HeaderName::as_str);
    names.any(|name| matches!(name, "forwarded" | "via") || name.starts_with("x-forwarded-"))
}

/// Serves the folder `static` of a crate at `mount`, without listing it.
fn files(mount: &str, crate_folder: &str) -> Files {
    Files::new(mount, static_folder(crate_folder))
        .prefer_utf8(true)
        .disable_content_disposition()
        // Not `no_route`, which would take a missing file for a wrong method.
        .default_handler(web::to(|| async { Err::<HttpResponse, _>(not_found()) }))
}

/// Responds to requests that match no route: 405 if the address has a route for GET, else 404. A `web::resource` with
/// other methods responds with 405 itself.
pub(super) async fn no_route(request: HttpRequest) -> Result<HttpResponse, Error> {
    if request.resource_map().has_resource(request.path()) {
        return Ok(HttpResponse::MethodNotAllowed().finish());
    }
    Err(not_found())
}

fn not_found() -> Error {
    Error::for_status(StatusCode::NOT_FOUND)
}
