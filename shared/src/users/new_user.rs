//! [`NewUser`]: what a client sends to add a user.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// What a client sends to add a user, `{"username":"…"}` and nothing else. The name is not checked yet.
#[derive(Debug, serde::Deserialize)]
#[serde(try_from = "Fields")]
pub struct NewUser {
    /// To be parsed by [`Username::parse`](super::Username::parse).
    pub username: String,
}

/// Taken apart by hand, for one sentence that says what is expected, whatever is wrong.
impl TryFrom<Fields> for NewUser {
    type Error = &'static str;

    fn try_from(Fields(fields): Fields) -> Result<Self, Self::Error> {
        match <[_; 1]>::try_from(fields) {
            Ok([(name, Value::String(username))]) if name == "username" => Ok(Self { username }),
            _ => Err(r#"it must be {"username": "…"} and nothing else"#),
        }
    }
}

/// The fields of an object as they stand there. Of two with one name a map would keep the last, and
/// whoever checks a request before us may have read the first.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Self(Vec::new()))
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Self;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Self, A::Error> {
        while let Some(field) = object.next_entry()? {
            self.0.push(field);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::NewUser;

    fn read(json: &str) -> Result<String, String> {
        let new: Result<NewUser, _> = serde_json::from_str(json);
        new.map(|new| new.username)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn one_field_is_read_and_any_other_object_is_told_what_is_expected() {
        assert_eq!(read(r#" {"username":" Bob "} "#), Ok(" Bob ".into()));
        for bad in [
            "{}",
            r#"{"username":7}"#,
            r#"{"name":"Bob"}"#,
            r#"{"username":"Bob","admin":true}"#,
            r#"{"username":"Ann","username":"Bob"}"#,
        ] {
            let sentence = r#"it must be {"username": "…"} and nothing else"#;
            assert_eq!(read(bad), Err(sentence.into()), "{bad}");
        }
    }

    #[test]
    fn what_is_no_object_or_no_json_is_told_so() {
        for bad in [r#"["Bob"]"#, "[]", "null", r#""Bob""#] {
            let error = read(bad).unwrap_err();
            assert!(error.contains("expected an object"), "{bad}: {error}");
        }
        assert!(read("{").unwrap_err().contains("line 1 column 1"));
    }
}
