//! [`Catalog`] and [`Sentences`]: what the pages say, in both languages.
//!
//! The sentences of a page are in a JSON file: `{"add": {"en": "Add", "zh-CN": "添加"}, …}`. A template and a script name
//! them by their keys. `shared/sentences/` has those of the pages in this crate, and of what several pages have in common.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::sync::LazyLock;

use actix_web::HttpRequest;
use askama::filters::{Escaper as _, Html, HtmlSafe};
use serde::Deserialize;

use crate::language::{Bilingual, Language};

/// The catalog of the pages of lessons 1 to 5, and of the parts that every page has.
pub(crate) static SHARED: LazyLock<Catalog> = LazyLock::new(|| Catalog::with(&[]));

/// The files that are a part of every catalog.
const FILES: [&str; 3] = [
    include_str!("../sentences/header.json"),
    include_str!("../sentences/lesson.json"),
    include_str!("../sentences/network.json"),
];

/// A sentence in both languages. A text in braces, such as `{seconds}`, stands for a value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sentence {
    en: String,
    #[serde(rename = "zh-CN")]
    zh_cn: String,
}

/// All sentences of a page, by their keys.
#[derive(Debug)]
pub struct Catalog(BTreeMap<String, Sentence>);

impl Catalog {
    /// Creates the catalog of a page from its own JSON `files`, and adds the sentences that every page needs. A file
    /// with a mistake is logged and left out.
    #[must_use]
    pub fn with(files: &[&str]) -> Self {
        let mut sentences = BTreeMap::new();
        for file in FILES.iter().chain(files) {
            match serde_json::from_str::<BTreeMap<String, Sentence>>(file) {
                Ok(more) => sentences.extend(more),
                Err(error) => log::error!("cannot read a file of sentences: {error}"),
            }
        }
        Self(sentences)
    }
}

/// The sentences of a page in the language of the person who reads it. A template has them in the field `sentences`.
#[derive(Debug, Clone, Copy)]
pub struct Sentences {
    catalog: &'static Catalog,
    language: Language,
}

impl Sentences {
    /// Returns the sentences for the response to `request`.
    #[must_use]
    pub fn of(request: &HttpRequest, catalog: &'static Catalog) -> Self {
        let language = Language::of(request);
        Self { catalog, language }
    }

    /// Returns the sentences of what all pages have in common.
    pub(crate) fn shared(request: &HttpRequest) -> Self {
        Self::of(request, &SHARED)
    }

    /// Returns the language.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// Returns a text that is not in a catalog of sentences, such as the title of a lesson.
    #[must_use]
    pub fn translated(&self, text: &Bilingual) -> &'static str {
        text.in_language(self.language)
    }

    /// Returns a sentence without tags. The template escapes it.
    #[must_use]
    pub fn text(&self, key: &str) -> Text {
        Text(self.find(key).to_owned())
    }

    /// Returns a sentence that may have tags, such as `<kbd>`. The template does not escape it.
    #[must_use]
    pub fn markup(&self, key: &str) -> Markup {
        Markup(self.find(key).to_owned())
    }

    /// Returns all sentences as JSON, for the page's scripts: `shared/static/sentences.js` reads them.
    #[must_use]
    pub fn for_scripts(&self) -> Markup {
        let keys = self.catalog.0.keys();
        let all: BTreeMap<_, _> = keys.map(|key| (key, self.find(key))).collect();
        // The text `</script>` in a sentence would end the element.
        Markup(serde_json::json!(all).to_string().replace('<', "\\u003c"))
    }

    /// Returns a sentence, or its key if there is none. A test checks that each key has a sentence.
    fn find<'key>(&self, key: &'key str) -> &'key str {
        let sentence = self.catalog.0.get(key);
        sentence.map_or(key, |sentence| match self.language {
            Language::English => &sentence.en,
            Language::Chinese => &sentence.zh_cn,
        })
    }
}

/// A sentence without tags.
#[derive(Debug)]
pub struct Text(String);

impl Text {
    /// Replaces `{name}` by `value`.
    #[must_use]
    pub fn with(self, name: &str, value: impl Display) -> Self {
        Self(replace(&self.0, name, &value.to_string()))
    }
}

impl Display for Text {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A sentence that may have tags. It comes from a catalog and not from a user.
#[derive(Debug)]
pub struct Markup(String);

impl Markup {
    /// Replaces `{name}` by `value`, as text: tags in it do nothing.
    #[must_use]
    pub fn with(self, name: &str, value: impl Display) -> Self {
        let mut escaped = String::new();
        // Writing to a `String` cannot fail.
        Html.write_escaped_str(&mut escaped, &value.to_string())
            .ok();
        Self(replace(&self.0, name, &escaped))
    }
}

impl Display for Markup {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A template inserts it as it is.
impl HtmlSafe for Markup {}

/// Replaces `{name}` in `sentence`.
fn replace(sentence: &str, name: &str, value: &str) -> String {
    sentence.replace(&format!("{{{name}}}"), value)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn sentences(language: &str) -> Sentences {
        static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
            Catalog::with(&[
                r#"{"test": {"en": "Press <b>{key}</b> </script>", "zh-CN": "按 <b>{key}</b>"}}"#,
            ])
        });
        let request = TestRequest::default().insert_header(("accept-language", language));
        Sentences::of(&request.to_http_request(), &CATALOG)
    }

    #[test]
    fn a_value_is_never_a_tag() {
        let pressed = sentences("en").markup("test").with("key", "<i>");
        assert_eq!(pressed.to_string(), "Press <b>&#60;i&#62;</b> </script>");
        let text = sentences("zh-CN").text("test").with("key", "<i>");
        assert_eq!(text.to_string(), "按 <b><i></b>", "the template escapes it");
    }

    #[test]
    fn scripts_get_all_sentences_of_one_language() {
        let json = sentences("en").for_scripts().to_string();
        assert!(!json.contains('<'), "a tag would end the script element");
        let all: BTreeMap<String, String> = serde_json::from_str(&json).unwrap();
        assert_eq!(all["test"], "Press <b>{key}</b> </script>");
        assert_eq!(all["header.lesson"], "Lesson", "what every page has");
    }

    #[test]
    fn a_sentence_in_one_language_only_is_an_error() {
        for incomplete in [r#"{"a": {"en": "A"}}"#, r#"{"a": {"zh-CN": "甲"}}"#] {
            assert!(serde_json::from_str::<BTreeMap<String, Sentence>>(incomplete).is_err());
        }
    }
}
