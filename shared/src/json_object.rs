//! [`JsonObject`]: a struct that is parsed from a JSON object, but not from an array.

use std::{fmt, marker::PhantomData};

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};

use crate::error::Error;

/// A struct that is parsed from a JSON object, `{"name":"Ann"}`.
///
/// A derived `Deserialize` alone also accepts an array of the fields, `["Ann"]`. Then each message would have a second
/// form that is not documented, and whose meaning changes with the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonObject<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for JsonObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

impl<T: DeserializeOwned> JsonObject<T> {
    /// Parses a text that is not a request's body, such as a WebSocket message.
    ///
    /// # Errors
    /// 400 if the text is not the expected JSON object.
    pub fn parse(text: &str) -> Result<T, Error> {
        match serde_json::from_str(text) {
            Ok(Self(object)) => Ok(object),
            Err(error) => Err(Error::bad_request(format!(
                "The text is not as expected: {error}."
            ))),
        }
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = JsonObject<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(JsonObject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Point {
        x: u8,
        y: Option<u8>,
    }

    fn read(json: &str) -> Result<Point, String> {
        let object: Result<JsonObject<Point>, _> = serde_json::from_str(json);
        object
            .map(|JsonObject(point)| point)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_object_is_parsed_if_it_fits_the_struct() {
        assert_eq!(read(r#"{"x":1,"y":2}"#), Ok(Point { x: 1, y: Some(2) }));
        assert_eq!(read(r#" {"x":1} "#), Ok(Point { x: 1, y: None }));
        for bad in ["{}", r#"{"x":1,"z":2}"#, r#"{"x":1,"x":1}"#, r#"{"x":256}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn anything_but_an_object_is_refused_with_a_clear_error() {
        let without_it = serde_json::from_str::<Point>("[1,2]");
        assert!(without_it.is_ok(), "serde alone accepts an array");
        for bad in ["[1,2]", "[]", "1", "null", r#""x""#] {
            let error = read(bad).unwrap_err();
            assert!(error.contains("expected an object at line 1"), "{error}");
        }
    }
}
