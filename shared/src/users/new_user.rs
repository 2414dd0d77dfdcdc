//! [`NewUser`]: what a client sends to add a user.

use serde::Deserialize;

/// The JSON `{"username":"…"}`, and nothing else in it. The name is not checked yet. Read it as
/// [`JsonObject<NewUser>`](crate::json_object::JsonObject), which refuses the array `["…"]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// To be parsed by [`Username::parse`](super::Username::parse).
    pub username: String,
}

#[cfg(test)]
mod tests {
    use super::NewUser;
    use crate::json_object::JsonObject;

    fn read(json: &str) -> Option<String> {
        let new: JsonObject<NewUser> = serde_json::from_str(json).ok()?;
        Some(new.0.username)
    }

    #[test]
    fn one_field_is_read_and_nothing_else() {
        assert_eq!(read(r#" {"username":" Bob "} "#), Some(" Bob ".into()));
        for bad in [
            "{",
            "{}",
            "[]",
            "null",
            r#""Bob""#,
            r#"["Bob"]"#,
            r#"{"username":7}"#,
            r#"{"name":"Bob"}"#,
            r#"{"username":"Bob","admin":true}"#,
            r#"{"username":"Ann","username":"Bob"}"#,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
