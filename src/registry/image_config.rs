//! An image's configuration out of its JSON, leniently: builders write these fields as they like, and what is missing or
//! of another type is just not known. Fetches and verifies nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::content::Flaw;
use super::manifest::ImageConfig;
use super::manifest_body::{RawPlatform, texts};

#[derive(Deserialize)]
struct Raw {
    #[serde(flatten)]
    platform: RawPlatform,
    #[serde(default)]
    created: Value,
    #[serde(default)]
    config: Value,
}

/// Reads a configuration; an error where it is no JSON object at all.
pub(super) fn read(body: &[u8]) -> Result<ImageConfig, Flaw> {
    let mut raw: Raw = serde_json::from_slice(body).map_err(|error| Flaw::from(&error))?;
    let labels = match raw.config.get_mut("Labels").map(Value::take) {
        Some(Value::Object(labels)) => texts(labels.into_iter().collect::<BTreeMap<_, _>>()),
        _ => BTreeMap::new(),
    };
    Ok(ImageConfig { platform: raw.platform.read(), created: raw.created.as_str().and_then(instant), labels })
}

/// RFC 3339. Go writes a time that was never set as the year 1.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc3339(text.trim()).ok()?.with_timezone(&Utc);
    (instant.year() > 1).then_some(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_missing_or_odd_is_not_known() {
        for body in [
            "{}",
            r#"{"os":null,"architecture":5,"variant":"","created":"soon","config":null}"#,
            r#"{"os":"unknown","created":"0001-01-01T00:00:00Z","config":{"Labels":null}}"#,
            r#"{"created":17,"config":{"Labels":["a"]}}"#,
            r#"{"created":"0000-01-01T00:00:00Z","config":[]}"#,
        ] {
            assert_eq!(read(body.as_bytes()), Ok(ImageConfig::default()), "{body}");
        }
        for body in ["", "[]", "null", "{", "<html>", "\"x\""] {
            assert!(matches!(read(body.as_bytes()), Err(Flaw::Json { .. })), "{body}");
        }
    }

    #[test]
    fn what_is_there_is_read() {
        let body = r#"{"os":"linux","architecture":"arm64","variant":"v8","created":"2026-11-23T02:03:04.123456789+02:00",
            "config":{"Labels":{"b":"2\u0000","a":"1","n":3}},"history":[{}]}"#;
        let config = read(body.as_bytes()).expect("a configuration");
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(config.platform.os, text("linux"));
        assert_eq!(config.platform.architecture, text("arm64"));
        assert_eq!(config.platform.variant, text("v8"));
        assert_eq!(config.created.expect("a time").to_rfc3339(), "2026-11-23T00:03:04.123456789+00:00");
        let labels: Vec<_> = config.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(labels, [("a", "1"), ("b", "2\u{fffd}")]);
    }
}
