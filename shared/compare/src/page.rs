//! The page: a button, a table, and a frame for each lesson.

use std::sync::LazyLock;
use std::time::Duration;

use actix_files::Files;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use shared::error::Error;
use shared::host::Host;
use shared::page::{LanguageLink, html_response};
use shared::sentences::{Catalog, Sentences};

use crate::lessons::LessonUrl;

/// What the page says.
static SENTENCES: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::with(&[include_str!("../sentences.json")]));

/// What the page shows in either language.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    lessons: Vec<LessonUrl>,
    /// How long silence is counted, in seconds.
    silence: f64,
}

impl Page {
    /// Creates the page for lessons that listen.
    pub(crate) fn new(lessons: Vec<LessonUrl>, silence: Duration) -> Self {
        let silence = silence.as_secs_f64();
        Self { lessons, silence }
    }

    /// Adds the routes of the page and its files.
    pub(crate) fn add_to(&self, app: &mut ServiceConfig) {
        app.app_data(web::Data::new(self.clone()))
            .route("/", web::get().to(page))
            .service(files(
                "/static",
                concat!(env!("CARGO_MANIFEST_DIR"), "/static"),
            ))
            .service(files(
                "/shared",
                concat!(env!("CARGO_MANIFEST_DIR"), "/../static"),
            ));
    }

    /// Returns the page with links and frames that have the same host as the page itself. People type either name of
    /// this machine, and the cookie with the language, which the frames need, too, belongs to one of them.
    fn with_host_of(&self, request: &HttpRequest) -> Self {
        let mut page = self.clone();
        if Host::of(request).is_ok_and(|host| host.name() == "localhost") {
            for lesson in &mut page.lessons {
                lesson.origin = lesson.origin.replace("127.0.0.1", "localhost");
            }
        }
        page
    }

    /// Returns the policy of the page (CSP Level 3): what is loaded comes from this server, and only the lessons may be
    /// shown in frames and get requests.
    fn content_security_policy(&self) -> String {
        let origins: Vec<_> = self.lessons.iter().map(|lesson| &*lesson.origin).collect();
        let origins = origins.join(" ");
        format!(
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; object-src 'none'; \
             frame-src {origins}; connect-src {origins}"
        )
    }
}

/// What the template shows. Askama escapes each value for HTML.
#[derive(Template)]
#[template(path = "page.html")]
struct PageTemplate {
    sentences: Sentences,
    language_link: LanguageLink,
    page: Page,
}

/// `GET /`
async fn page(request: HttpRequest, page: web::Data<Page>) -> Result<HttpResponse, Error> {
    let page = page.with_host_of(&request);
    let policy = HeaderValue::try_from(page.content_security_policy());
    let mut response = html_response(&PageTemplate {
        sentences: Sentences::of(&request, &SENTENCES),
        language_link: LanguageLink::new(&request),
        page,
    })?;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_SECURITY_POLICY,
        policy.map_err(|_| Error::internal())?,
    );
    Ok(response)
}

/// Returns a service with the files of `folder`. A reload shows an edit, because the browser asks each time.
fn files(mount: &str, folder: &str) -> Files {
    Files::new(mount, folder)
        .prefer_utf8(true)
        .disable_content_disposition()
}
