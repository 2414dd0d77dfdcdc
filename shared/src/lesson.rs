//! The app of lessons 1 to 5: a list of users, and the page that shows it. A lesson adds `GET /users` and `GET /clock`.

use std::path::PathBuf;
use std::process::ExitCode;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::catalog::Lesson;
use crate::error::Error;
use crate::json_object::JsonObject;
use crate::page;
use crate::serve::serve_app;
use crate::users::{NewUser, User, Username, Users};

/// The flags that lessons 1 to 5 have besides those of every server.
#[derive(Debug, Args)]
#[group(skip)]
struct Flags<Extra: Args> {
    /// Keep the users in this file [default: in memory]
    #[arg(long, env, value_name = "FILE")]
    users: Option<PathBuf>,

    #[command(flatten)]
    extra: Extra,
}

/// The flags of a lesson that has no flags of its own.
#[derive(Debug, Clone, Args)]
struct NoExtraFlags {}

/// Runs a lesson until Ctrl-C or SIGTERM: reads the flags, loads the users, listens, prints the line
/// `NAME: http://ADDRESS/`, and serves the common routes and those that `configure` adds.
///
/// Returns exit code 0 after a stop. If the server could not start, prints one line on stderr and returns exit code 1.
/// A bad flag ends the process with clap's message and exit code 2.
pub async fn serve<Configure>(lesson: Lesson, configure: Configure) -> ExitCode
where
    Configure: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    serve_with_flags(lesson, move |app, _: &NoExtraFlags| configure(app)).await
}

/// Does the same as [`serve()`], for a lesson with flags of its own.
pub async fn serve_with_flags<Extra, Configure>(lesson: Lesson, configure: Configure) -> ExitCode
where
    Extra: Args + Clone + Send + 'static,
    Configure: Fn(&mut ServiceConfig, &Extra) + Clone + Send + 'static,
{
    let open = async |flags: &Flags<Extra>| {
        let users = match &flags.users {
            Some(file) => Users::in_file(file),
            None => Users::in_memory(),
        };
        users.map(|users| (web::Data::new(users), flags.extra.clone()))
    };
    let routes = move |app: &mut ServiceConfig, (users, extra): &(web::Data<Users>, Extra)| {
        // The lesson's own routes come first. If its `GET /users` came after the resource below, that would respond to
        // each GET with 405.
        configure(app, extra);
        app.app_data(users.clone())
            .route("/", web::get().to(page::lesson_page))
            .route("/health", web::get().to(health))
            .service(web::resource("/users").route(web::post().to(add_user)))
            .service(web::resource("/users/{id}").route(web::delete().to(remove_user)));
    };
    serve_app(lesson, open, routes, |_| Box::pin(async {})).await
}

/// Handles `GET /health`: returns 200 `{"status":"ok"}`, or 503 with the reason if a change could not be saved now.
async fn health(users: web::Data<Users>) -> Result<HttpResponse, Error> {
    let unsaved =
        |error| Error::service_unavailable(format!("The users cannot be saved: {error}."));
    users.check_saving().await.map_err(unsaved)?;
    Ok(healthy())
}

/// Returns the response of `GET /health` if the server can do its work.
#[must_use]
pub fn healthy() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "status": "ok" }))
}

/// Handles `POST /users` with `{"username":"…"}`: adds a user, and returns 201 with the new user.
async fn add_user(
    users: web::Data<Users>,
    body: web::Json<JsonObject<NewUser>>,
) -> Result<HttpResponse, Error> {
    let JsonObject(new) = body.into_inner();
    let user: User = users.add(Username::parse(&new.username)?).await?;
    let location = (header::LOCATION, format!("/users/{}", user.id));
    Ok(HttpResponse::Created().insert_header(location).json(user))
}

/// Handles `DELETE /users/{id}`: removes a user, and returns 204, or 404 if there is no such user.
async fn remove_user(
    users: web::Data<Users>,
    path: web::Path<UserIdPath>,
) -> Result<HttpResponse, Error> {
    let UserIdPath(id) = path.into_inner();
    match users.remove(id).await? {
        Some(_) => Ok(HttpResponse::NoContent().finish()),
        None => Err(Error::not_found(format!(
            "There is no user with the id {id}."
        ))),
    }
}

/// The id of a user in a URL. Only digits are allowed. (Rust's `parse` would also accept a `+` before them.)
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct UserIdPath(u64);

impl TryFrom<String> for UserIdPath {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let has_digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(id) if has_digits_only => Ok(Self(id)),
            _ => Err("an id is a number and consists of digits only"),
        }
    }
}
