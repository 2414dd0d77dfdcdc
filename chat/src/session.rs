//! [`Session`]: the user who sends a request, proved by a token. A client gets a name and a token by `POST /session`.

use std::sync::Arc;

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;
use shared::{JsonObject, error::Error, host::scheme};

use crate::input::UserName;
use crate::state::{ChatState, HandlerResult, app_data};
use crate::user::{TokenHash, User};

/// The name of the cookie. A browser sends a cookie to all ports of a host, so the other lessons see it, too.
const COOKIE: &str = "chat-session";

/// For how many days a browser keeps the cookie. The server may give the name to another user before that.
const COOKIE_DAYS: i64 = 30;

/// The text of the 401 for a request without a valid token.
const NO_SESSION: &str =
    "Choose a name first: POST /session, then send its cookie, or its token as Bearer.";

/// A user, and the token that proves who it is.
pub(crate) struct Session {
    pub(crate) user: Arc<User>,
    token: String,
}

impl Session {
    /// Returns the session of a request. The token is in `Authorization: Bearer TOKEN`, or in the cookie if the request
    /// has no such header. 401 without a valid token.
    pub(crate) async fn of(request: &HttpRequest, chat: &ChatState) -> Result<Self, Error> {
        let token = token_of(request).ok_or_else(|| Error::unauthorized(NO_SESSION))?;
        let user = chat.backend.user_by_token(TokenHash::of(&token)).await?;
        let user = user.ok_or_else(|| Error::unauthorized(NO_SESSION))?;
        Ok(Self { user, token })
    }

    /// Creates a user with this name and a new token, 128 random bits as 32 hexadecimal digits.
    async fn create(name: UserName, chat: &ChatState) -> Result<Self, Error> {
        let token = format!("{:032x}", rand::random::<u128>());
        let user = User::new(rand::random(), name, TokenHash::of(&token));
        chat.backend.claim_name(Arc::clone(&user)).await?;
        Ok(Self { user, token })
    }
}

fn token_of(request: &HttpRequest) -> Option<String> {
    let Some(header) = request.headers().get(header::AUTHORIZATION) else {
        return Some(request.cookie(COOKIE)?.value().to_owned());
    };
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    // The scheme is the same in upper and lower case (RFC 9110 §11.1).
    let is_bearer = scheme.eq_ignore_ascii_case("Bearer");
    is_bearer.then(|| token.to_owned())
}

/// `{"name":"…"}`: the name that a client asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSession {
    name: String,
}

/// Handles `POST /session`: returns 201 and `{"name","token"}`, or 200 if the sender has that name already. A sender
/// who had another name releases it.
pub(crate) async fn create_session(
    request: HttpRequest,
    body: web::Json<JsonObject<NewSession>>,
) -> HandlerResult {
    let chat: web::Data<ChatState> = app_data(&request)?;
    let JsonObject(NewSession { name }) = body.into_inner();
    let name = UserName::parse(&name)?;
    let current = match Session::of(&request, &chat).await {
        Ok(session) => Some(session),
        Err(error) if error.status() == StatusCode::UNAUTHORIZED => None,
        Err(error) => return Err(error),
    };
    if let Some(session) = &current
        && session.user.name.case_folded == name.case_folded
    {
        return Ok(session_response(HttpResponse::Ok(), &request, session));
    }
    let new = Session::create(name, &chat).await?;
    if let Some(old) = current {
        // If this fails, the old name only stays taken for longer.
        chat.backend.release_name(old.user).await.ok();
    }
    Ok(session_response(HttpResponse::Created(), &request, &new))
}

/// Handles `GET /names/{name}`: returns the user who holds a name, `{"name":"Bob","id":"17"}`, or 404 if nobody does.
/// The id is a text, because not every id fits into a number of JavaScript.
pub(crate) async fn find_holder(request: HttpRequest, name: web::Path<String>) -> HandlerResult {
    let chat: web::Data<ChatState> = app_data(&request)?;
    let session = Session::of(&request, &chat).await?;
    session.user.check_rate(chat.rate)?;
    let name = UserName::parse(&name)?;
    let holder = chat.backend.find_holder(name.case_folded).await?;
    let holder = holder.ok_or_else(|| Error::not_found("Nobody here has that name."))?;
    let body = json!({ "name": holder.name, "id": holder.id.to_string() });
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body))
}

fn session_response(
    mut response: actix_web::HttpResponseBuilder,
    request: &HttpRequest,
    session: &Session,
) -> HttpResponse {
    // No page of another site can send this cookie, and no script can read it. A browser that got it over TLS never
    // sends it without.
    let cookie = Cookie::build(COOKIE, session.token.as_str())
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(scheme(request.headers()) == "https")
        .max_age(time::Duration::days(COOKIE_DAYS))
        .finish();
    let body = json!({ "name": session.user.name(), "token": session.token });
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .cookie(cookie)
        .json(body)
}

#[cfg(test)]
mod tests;
