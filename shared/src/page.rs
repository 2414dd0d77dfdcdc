//! The page of lessons 1 to 5, from `shared/templates/lesson.html`, and the top of every page.

mod header_bytes;

use std::io;

use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::{Template, filters::HtmlSafe};

use crate::catalog::{LESSONS, LessonInfo};
use crate::error::Error;
use crate::host::Host;
use crate::serve::policy_for_frames;
use crate::settings::Settings;
use header_bytes::HeaderBytes;

/// What the template shows. Askama escapes each value for HTML.
#[derive(Template)]
#[template(path = "lesson.html")]
struct LessonPage {
    lesson: LessonInfo,
    header: SiteNavigation,
    /// The host name that the browser asked for, without the port.
    host: String,
    /// The port that this server listens on.
    port: u16,
    /// Whether to show only the timeline and the totals, for a frame in a page of one of the `allowed_origins`.
    is_reduced: bool,
    /// Separated by spaces.
    allowed_origins: String,
    /// Whether the page may cut the connections.
    can_cut: bool,
    /// In seconds.
    heartbeat: f64,
    /// From which the wire estimates the headers that a page cannot see: as JSON, and their sum.
    header_bytes: String,
    repeated_bytes: usize,
    /// The text of the lesson's `client.js`.
    client: String,
}

/// The top of every page, with links to the other lessons, from `shared/templates/header.html`.
#[derive(Debug, Template)]
#[template(path = "header.html")]
pub struct SiteNavigation {
    /// The lesson that the page belongs to.
    name: &'static str,
    lessons: &'static [LessonInfo],
    /// Without the port: each lesson has one of its own.
    host: String,
}

impl SiteNavigation {
    /// Creates it for a page of the lesson `name`.
    #[must_use]
    pub fn new(name: &'static str, request: &HttpRequest) -> Self {
        Self {
            name,
            lessons: LESSONS,
            host: host_name(request),
        }
    }
}

/// It is HTML already: its own template escapes every value.
impl HtmlSafe for SiteNavigation {}

/// The query of the page that is reduced to the timeline and the totals. Pages of the allowed origins may show it in a
/// frame.
const TIMELINE_VIEW: &str = "view=timeline";

/// `GET /`, and `GET /?view=timeline`
pub(crate) async fn lesson_page(
    request: HttpRequest,
    settings: web::Data<Settings>,
) -> Result<HttpResponse, Error> {
    let lesson = settings.lesson;
    let client_path = lesson.static_folder().join("client.js");
    // Read at each request: a student edits the file while the server runs.
    let client = web::block(move || std::fs::read_to_string(client_path)).await;
    let client = client.map_err(io::Error::other).flatten();
    let header_bytes = HeaderBytes::of(&request);
    let is_reduced = request
        .query_string()
        .split('&')
        .any(|pair| pair == TIMELINE_VIEW);
    let mut response = html_response(&LessonPage {
        lesson: lesson.info(),
        header: SiteNavigation::new(lesson.name, &request),
        host: host_name(&request),
        port: request.app_config().local_addr().port(),
        is_reduced,
        allowed_origins: settings.allowed_origins.clone(),
        can_cut: settings.can_cut,
        heartbeat: settings.heartbeat.as_secs_f64(),
        header_bytes: serde_json::json!(header_bytes).to_string(),
        repeated_bytes: header_bytes.repeated(),
        client: client
            .unwrap_or_else(|error| format!("// static/client.js could not be read: {error}")),
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
        .body(html))
}

/// Returns the name that the browser has used for this server, without the port. If the request has none that is valid,
/// links lead to this machine.
fn host_name(request: &HttpRequest) -> String {
    let host = Host::of(request);
    host.map_or("127.0.0.1".to_owned(), |host| host.name().to_owned())
}
