//! The routes that every server has, and those that lessons 1 to 5 have in common.

use actix_files::Files;
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::{State, settings::Settings, static_folder};
use crate::JsonObject;
use crate::cut::Cut;
use crate::error::{Error, MAX_BODY};
use crate::page;
use crate::users::{NewUser, Username, Users};

/// Adds the routes that every server has and what its handlers may ask for. They come after the
/// server's own, so that a lesson's `GET /users` and the common `POST /users` share their address.
pub(super) fn common(app: &mut ServiceConfig, state: &State) {
    let path = web::PathConfig::default().error_handler(|error, _| {
        Error::bad_request(format!(
            "The address is not one that is expected here: {error}."
        ))
        .into()
    });
    let query = web::QueryConfig::default().error_handler(|error, _| {
        Error::bad_request(format!(
            "The query is not one that is expected here: {error}."
        ))
        .into()
    });
    app.app_data(state.cut.clone())
        .app_data(state.settings.clone())
        .app_data(json_config(MAX_BODY))
        .app_data(path)
        .app_data(query)
        .service(web::resource("/cut").route(web::post().to(cut)))
        .service(files("/static", state.settings.lesson.folder))
        .service(files("/shared", env!("CARGO_MANIFEST_DIR")));
}

/// Adds what lessons 1 to 5 have in common: the page and the changes to the list of users.
pub(super) fn lesson(app: &mut ServiceConfig, users: &web::Data<Users>) {
    app.app_data(users.clone())
        .route("/", web::get().to(page::show))
        .service(web::resource("/users").route(web::post().to(add_user)))
        .service(web::resource("/users/{id}").route(web::delete().to(remove_user)));
}

/// How JSON bodies are read: `limit` bytes at most, and a clear error otherwise.
#[must_use]
pub fn json_config(limit: usize) -> web::JsonConfig {
    web::JsonConfig::default()
        .limit(limit)
        .error_handler(|error, _| Error::from(error).into())
}

/// `POST /users` with `{"username":"…"}`
async fn add_user(
    users: web::Data<Users>,
    new: web::Json<JsonObject<NewUser>>,
) -> Result<HttpResponse, Error> {
    let JsonObject(new) = new.into_inner();
    let user = users.add(Username::parse(&new.username)?).await?;
    let location = (header::LOCATION, format!("/users/{}", user.id));
    Ok(HttpResponse::Created().insert_header(location).json(user))
}

/// `DELETE /users/{id}`
async fn remove_user(users: web::Data<Users>, id: web::Path<Id>) -> Result<HttpResponse, Error> {
    let Id(id) = id.into_inner();
    let removed = users.remove(id).await?;
    let removed = removed.map(|_| HttpResponse::NoContent().finish());
    removed.ok_or_else(|| Error::not_found(format!("There is no user with the id {id}.")))
}

/// The id of a user in an address. It has digits only: what Rust takes for a number may begin with `+`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Id(u64);

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let id = text.parse().ok().filter(|_| digits);
        id.map(Self)
            .ok_or("an id is a number, with nothing but digits")
    }
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
    cut.now();
    Ok(HttpResponse::NoContent().finish())
}

/// Returns whether a header tells that a proxy has passed the request on. Behind a proxy on the same machine every
/// client seems to be local (RFC 7239, RFC 9110 §7.6.3).
fn came_through_proxy(request: &HttpRequest) -> bool {
    let mut names = request.headers().keys();
    names.any(|name| {
        matches!(name.as_str(), "forwarded" | "via") || name.as_str().starts_with("x-forwarded-")
    })
}

/// `FOLDER/static` at `mount`; folders are not listed.
fn files(mount: &str, folder: &str) -> Files {
    Files::new(mount, static_folder(folder))
        .prefer_utf8(true)
        .disable_content_disposition()
        // Not the app's own answer, which would take a missing file for a wrong method.
        .default_handler(web::to(|| async {
            Err::<HttpResponse, _>(Error::for_status(StatusCode::NOT_FOUND))
        }))
}

/// Responds to requests that match no route: 405 if the address has a route for GET, else 404. A `web::resource` with
/// other methods responds with 405 itself.
pub(super) async fn no_route(request: HttpRequest) -> Result<HttpResponse, Error> {
    if request.resource_map().has_resource(request.path()) {
        return Ok(HttpResponse::MethodNotAllowed().finish());
    }
    Err(Error::for_status(StatusCode::NOT_FOUND))
}
