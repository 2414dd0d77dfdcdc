//! `GET /`: the page of the chat.

use std::sync::LazyLock;

use actix_web::{HttpRequest, web};
use askama::Template;
use shared::Settings;
use shared::catalog::LessonInfo;
use shared::page::{NetworkPanel, SiteNavigation, html_response};
use shared::sentences::{Catalog, Sentences};

use crate::state::HandlerResult;

/// What the page says, in both languages.
static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::with(&[include_str!("../sentences.json")]));

#[derive(Template)]
#[template(path = "index.html")]
struct Page {
    sentences: Sentences,
    lesson: LessonInfo,
    header: SiteNavigation,
    /// In seconds.
    heartbeat: f64,
    network: NetworkPanel,
}

pub(crate) async fn page(request: HttpRequest, settings: web::Data<Settings>) -> HandlerResult {
    html_response(&Page {
        sentences: Sentences::of(&request, &CATALOG),
        lesson: settings.lesson.info(),
        header: SiteNavigation::new(settings.lesson.name, &request).await,
        heartbeat: settings.heartbeat.as_secs_f64(),
        network: NetworkPanel::new(&request),
    })
}
