//! The page of lessons 1 to 5, from `shared/templates/lesson.html`, and the top of every page.

mod client_code;
mod header_bytes;
mod network;

use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue, VARY};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::{Template, filters::HtmlSafe};

use crate::catalog::{LESSONS, LessonInfo};
use crate::error::Error;
use crate::host::Host;
use crate::sentences::Sentences;
use crate::serve::{policy_for_frames, running_lessons};
use crate::settings::Settings;
use client_code::ClientCode;
pub use network::NetworkPanel;
use network::Wire;

/// After how many heartbeats without a sign of life each `client.js` gives up a connection.
const MISSED_HEARTBEATS: f64 = 2.5;

/// What the template shows. Askama escapes each value for HTML.
#[derive(Template)]
#[template(path = "lesson.html")]
struct LessonPage {
    sentences: Sentences,
    lesson: LessonInfo,
    header: SiteNavigation,
    /// Whether to show only the timeline and the totals, for a frame in a page of one of the `allowed_origins`.
    is_reduced: bool,
    /// Separated by spaces.
    allowed_origins: String,
    /// Whether the page may cut the connections.
    can_cut: bool,
    /// In seconds.
    heartbeat: f64,
    /// After how many seconds without a heartbeat a connection counts as broken.
    silence: f64,
    wire: Wire,
    /// The lesson's `client.js`.
    client: ClientCode,
}

/// The top of every page, with links to the other lessons, from `shared/templates/header.html`.
#[derive(Debug, Template)]
#[template(path = "header.html")]
pub struct SiteNavigation {
    sentences: Sentences,
    /// The lesson that the page belongs to.
    name: &'static str,
    lessons: &'static [LessonInfo],
    /// The names of the lessons that run on this machine.
    running: Vec<&'static str>,
    /// Without the port: each lesson has one of its own.
    host: String,
}

impl SiteNavigation {
    /// Creates it for a page of the lesson `name`, and checks which of the others run.
    pub async fn new(name: &'static str, request: &HttpRequest) -> Self {
        Self {
            sentences: Sentences::shared(request),
            name,
            lessons: LESSONS,
            running: running_lessons(request).await,
            host: host_name(request),
        }
    }
}

/// It is HTML already: its own template escapes every value.
impl HtmlSafe for SiteNavigation {}

/// The link that switches to the other language, from `shared/templates/language.html`, for the top of a page without
/// links to the other lessons.
#[derive(Debug, Template)]
#[template(path = "language.html")]
pub struct LanguageLink {
    sentences: Sentences,
}

impl LanguageLink {
    /// Creates it for the page that `request` asks for.
    #[must_use]
    pub fn new(request: &HttpRequest) -> Self {
        let sentences = Sentences::shared(request);
        Self { sentences }
    }
}

/// It is HTML already.
impl HtmlSafe for LanguageLink {}

/// The query of the page that is reduced to the timeline and the totals. Pages of the allowed origins may show it in a
/// frame.
const TIMELINE_VIEW: &str = "view=timeline";

/// `GET /`, and `GET /?view=timeline`
pub(crate) async fn lesson_page(
    request: HttpRequest,
    settings: web::Data<Settings>,
) -> Result<HttpResponse, Error> {
    let lesson = settings.lesson;
    let client = web::block(move || ClientCode::read(&lesson)).await;
    let curl_url = lesson.info().works_with_curl.then(|| users_url(&request));
    let is_reduced = request
        .query_string()
        .split('&')
        .any(|pair| pair == TIMELINE_VIEW);
    let mut response = html_response(&LessonPage {
        sentences: Sentences::shared(&request),
        lesson: lesson.info(),
        header: SiteNavigation::new(lesson.name, &request).await,
        is_reduced,
        allowed_origins: settings.allowed_origins.clone(),
        can_cut: settings.can_cut,
        heartbeat: settings.heartbeat.as_secs_f64(),
        silence: (MISSED_HEARTBEATS * settings.heartbeat.as_secs_f64()).round(),
        wire: Wire::of_lesson(&request, curl_url),
        client: client.map_err(|_| Error::internal())?,
    })?;
    if is_reduced {
        let policy = policy_for_frames(&settings.frame_ancestors());
        let policy = HeaderValue::try_from(policy).map_err(|_| Error::internal())?;
        response
            .headers_mut()
            .insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// Renders `page` as a response.
///
/// # Errors
/// 500 if the template fails; the log says why.
pub fn html_response(page: &impl Template) -> Result<HttpResponse, Error> {
    let html = page.render().map_err(|error| {
        log::error!("cannot render a page: {error}");
        Error::internal()
    })?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        // The same address has a page in each language.
        .insert_header((VARY, "Accept-Language, Cookie"))
        .body(html))
}

/// Returns the URL of the users, as a person would type it.
fn users_url(request: &HttpRequest) -> String {
    let port = request.app_config().local_addr().port();
    format!("http://{}:{port}/users", host_name(request))
}

/// Returns the name that the browser has used for this server, without the port. If the request has none that is valid,
/// links lead to this machine.
fn host_name(request: &HttpRequest) -> String {
    let host = Host::of(request);
    host.map_or("127.0.0.1".to_owned(), |host| host.name().to_owned())
}
