//! [`Language`]: in which language a person reads the pages.

use actix_web::HttpRequest;
use actix_web::http::header::{AcceptLanguage, Header as _, Preference};

/// The name of the cookie that keeps the choice of a person, for all lessons of a host: a browser sends a cookie to all
/// its ports. It is also the name of the query that makes the choice, as in `/?language=zh-CN`.
pub(crate) const LANGUAGE: &str = "language";

/// A language of the pages. The code, the comments and the errors of the servers are in English only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Chinese, in simplified characters.
    Chinese,
}

impl Language {
    /// Returns the language for the response to a request: what the person has chosen, otherwise what the browser
    /// prefers (`Accept-Language`, RFC 9110 §12.5.4), otherwise English.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        let chosen = request.cookie(LANGUAGE);
        let chosen = chosen.and_then(|cookie| Self::from_tag(cookie.value()));
        chosen.unwrap_or_else(|| Self::preferred(request))
    }

    /// Returns the first of the browser's languages in which there are pages.
    fn preferred(request: &HttpRequest) -> Self {
        let ranked = AcceptLanguage::parse(request).map(|accepted| accepted.ranked());
        let known = ranked.unwrap_or_default().into_iter().find_map(|tag| {
            let Preference::Specific(tag) = tag else {
                return None;
            };
            match tag.primary_language() {
                "zh" => Some(Self::Chinese),
                "en" => Some(Self::English),
                _ => None,
            }
        });
        known.unwrap_or(Self::English)
    }

    /// Returns the language with this tag.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        [Self::English, Self::Chinese]
            .into_iter()
            .find(|language| language.tag() == tag)
    }

    /// Returns the tag of the language, for `lang="…"` (BCP 47).
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// Returns the name of the language, in the language itself.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "简体中文",
        }
    }

    /// Returns the other language, for the link that switches.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::English => Self::Chinese,
            Self::Chinese => Self::English,
        }
    }
}

/// A text in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bilingual {
    /// The English text.
    pub english: &'static str,
    /// The Chinese text.
    pub chinese: &'static str,
}

impl Bilingual {
    /// Creates it from the English and the Chinese text.
    #[must_use]
    pub const fn new(english: &'static str, chinese: &'static str) -> Self {
        Self { english, chinese }
    }

    /// Returns the text in `language`.
    #[must_use]
    pub fn in_language(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.english,
            Language::Chinese => self.chinese,
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::cookie::Cookie;
    use actix_web::test::TestRequest;

    use super::*;

    fn accepting(languages: &str) -> TestRequest {
        TestRequest::default().insert_header(("accept-language", languages))
    }

    #[test]
    fn the_browser_asks_for_a_language() {
        let of = |languages| Language::of(&accepting(languages).to_http_request());
        for chinese in [
            "zh-CN",
            "zh-CN,zh;q=0.9,en;q=0.8",
            "zh",
            "zh-TW",
            "de, zh;q=0.5",
            "en;q=0.5,zh",
        ] {
            assert_eq!(of(chinese), Language::Chinese, "{chinese}");
        }
        for english in [
            "en",
            "en-GB,en;q=0.9,zh;q=0.8",
            "de",
            "*",
            "",
            "?",
            "zh;q=0.2,en;q=0.3",
        ] {
            assert_eq!(of(english), Language::English, "{english}");
        }
        let none = TestRequest::default().to_http_request();
        assert_eq!(Language::of(&none), Language::English);
    }

    #[test]
    fn the_choice_of_a_person_counts_more() {
        let of = |value: &str| {
            let cookie = Cookie::new(LANGUAGE, value.to_owned());
            Language::of(&accepting("zh-CN").cookie(cookie).to_http_request())
        };
        assert_eq!(of("en"), Language::English);
        assert_eq!(of("zh-CN"), Language::Chinese);
        assert_eq!(of("tlh"), Language::Chinese, "an unknown one is no choice");
    }
}
