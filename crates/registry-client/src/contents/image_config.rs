//! Reads an image's configuration out of its JSON, leniently: builders write these fields in many ways. A value of
//! another type counts as missing and is noted. The digest has been verified, so the content is what was pushed:
//! nothing here is an error. Fetches and verifies nothing.

use chrono::{DateTime, Datelike, Utc};

use crate::contents::lenient::{Picked, RawJson, document};
use crate::contents::parts::ManifestParts;
use crate::grammar::shown;
use crate::model::manifest::ImageConfig;
use crate::model::oddity::Odd;

/// The years that all readers of the tables accept. Spark refuses timestamps before 1900 in Parquet files that do not
/// name a calendar; pandas' nanoseconds end in 2262.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2200;

/// Reads a configuration.
pub(crate) fn read(body: &[u8]) -> ImageConfig {
    let (document, mended) = document(body);
    let mut parts = ManifestParts::new(mended);
    let names = ["os", "architecture", "variant", "created", "config"];
    let [os, architecture, variant, created, config] = match Picked::read(&document, &names) {
        Ok(picked) => picked.values,
        Err(flaw) => {
            parts.odd.add(Odd::ConfigUnreadable, || format!("the configuration is not a JSON object: {flaw}"));
            return ImageConfig { oddities: parts.odd, ..ImageConfig::default() };
        }
    };
    let labels = config.and_then(|config| {
        let picked = Picked::of(config, &["Labels"]);
        if picked.is_none() {
            parts.unreadable("`config`");
        }
        let [labels] = picked?.values;
        labels
    });
    ImageConfig {
        platform: parts.platform([os, architecture, variant]),
        created: instant(&mut parts, created),
        labels: parts.texts(labels, "labels"),
        oddities: parts.odd,
    }
}

/// A time by RFC 3339. Go writes the year 1 for a time that was never set.
fn instant(parts: &mut ManifestParts, value: Option<RawJson<'_>>) -> Option<DateTime<Utc>> {
    let text = parts.text(value, "`created`")?;
    let mut unusable = |why| {
        parts.odd.add(Odd::CreatedUnusable, || format!("`created` is `{}`, {why}", shown(&text)));
        None
    };
    let Ok(instant) = DateTime::parse_from_rfc3339(text.trim()) else {
        return unusable("which is no time by RFC 3339");
    };
    let instant = instant.with_timezone(&Utc);
    match instant.year() {
        ..=1 => None,
        year if YEARS.contains(&year) => Some(instant),
        _ => unusable("and only times from 1900 to 2200 can be read everywhere"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::oddity::Oddities;

    fn notes(body: &[u8]) -> Vec<String> {
        read(body).oddities.notes()
    }

    #[test]
    fn what_is_missing_is_not_known_and_not_odd() {
        for body in [
            "{}",
            r#"{"os":null,"architecture":"","created":null,"config":null}"#,
            r#"{"os":"unknown","created":"0001-01-01T00:00:00Z","config":{"Labels":null}}"#,
            r#"{"created":"0000-01-01T00:00:00Z","config":{"labels":{}}}"#,
        ] {
            assert_eq!(read(body.as_bytes()), ImageConfig::default(), "{body}");
        }
    }

    #[test]
    fn what_is_of_another_type_is_not_known_and_said() {
        for body in [
            r#"{"os":5}"#,
            r#"{"architecture":["amd64"]}"#,
            r#"{"created":17}"#,
            r#"{"created":1e999}"#,
            r#"{"config":[]}"#,
            r#"{"config":"x"}"#,
            r#"{"config":{"Labels":["a"]}}"#,
        ] {
            let config = read(body.as_bytes());
            assert!(config.oddities.has(Odd::ValueUnreadable), "{body}: {config:?}");
            assert_eq!(ImageConfig { oddities: Oddities::default(), ..config }, ImageConfig::default(), "{body}");
        }
        for body in ["", "[]", "null", "{", "<html>", "\"x\"", &"[".repeat(100_000)] {
            assert!(read(body.as_bytes()).oddities.has(Odd::ConfigUnreadable), "{body:.20}");
        }
    }

    #[test]
    fn what_is_there_is_read() {
        let body = r#"{"os":"linux","architecture":"arm64","variant":"v8","created":"2026-11-23T02:03:04.123456789+02:00",
            "config":{"Labels":{"b":"2\u0000","a":"1"}},"history":[{}]}"#;
        let config = read(body.as_bytes());
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(config.platform.os, text("linux"));
        assert_eq!(config.platform.architecture, text("arm64"));
        assert_eq!(config.platform.variant, text("v8"));
        assert_eq!(config.created.expect("a time").to_rfc3339(), "2026-11-23T00:03:04.123456789+00:00");
        let labels: Vec<_> = config.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(labels, [("a", "1"), ("b", "2\u{fffd}")]);
        assert_eq!(config.oddities.notes(), ["text_replaced: what is not Unicode in the labels is replaced by U+FFFD"]);
    }

    #[test]
    fn one_odd_value_spoils_nothing_else() {
        let head = r#""os":"linux","architecture":"amd64","created":"2024-05-06T07:08:09Z""#;
        let good = read(format!("{{{head},\"config\":{{\"Labels\":{{\"team\":\"a\"}}}}}}").as_bytes());
        assert_eq!(good.oddities.notes(), Vec::<String>::new());
        for unused in [r#""\udce9""#, "1e999", r#"{"a":[{"b":"\ud83d"}]}"#, &("[".repeat(2000) + &"]".repeat(2000))] {
            for place in [r#""history":[{"created_by":@}]"#, r#""x":@"#, r#""\ud83d":@"#] {
                let tail = place.replace('@', unused);
                let body = format!("{{{head},\"config\":{{\"Labels\":{{\"team\":\"a\"}},\"Env\":{unused}}},{tail}}}");
                assert_eq!(read(body.as_bytes()), good, "{place} {unused:.20}");
            }
        }
        let mut latin =
            format!("{{{head},\"config\":{{\"Labels\":{{\"team\":\"a\"}}}},\"history\":\"@\"}}").into_bytes();
        let at = latin.iter().position(|byte| *byte == b'@').expect("there");
        latin[at] = 0xe9;
        assert_eq!(read(&latin), good);
    }

    #[test]
    fn the_last_of_several_members_counts_in_any_case_as_in_go() {
        let config = read(br#"{"OS":"windows","os":"linux","Os":null,"config":{"LABELS":{"a":"1","A":"2"}}}"#);
        assert_eq!(config.platform.os.as_deref(), Some("linux"));
        assert_eq!(config.labels.len(), 2);
    }

    #[test]
    fn a_time_that_not_every_reader_takes_is_not_known_and_said() {
        let created = |time: &str| {
            let config = read(format!("{{\"created\":\"{time}\"}}").as_bytes());
            (config.created.map(|created| created.to_rfc3339()), config.oddities.notes())
        };
        for (time, kept) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00+00:00"),
            ("1900-01-01T00:00:00Z", "1900-01-01T00:00:00+00:00"),
            ("1899-12-31T23:00:00-01:00", "1900-01-01T00:00:00+00:00"),
            ("2200-12-31T23:59:59.999999999Z", "2200-12-31T23:59:59.999999999+00:00"),
        ] {
            assert_eq!(created(time), (Some(kept.into()), Vec::new()), "{time}");
        }
        for time in [
            "0002-01-01T00:00:00Z",
            "1899-12-31T23:59:59Z",
            "2201-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "soon",
            "17",
        ] {
            let (created, notes) = created(time);
            assert!(created.is_none() && notes[0].starts_with("created_unusable: `created` is `"), "{time}: {notes:?}");
        }
        assert_eq!(notes(b"{\"created\":\"\\u001b[2J\"}").len(), 1);
        assert!(!notes(b"{\"created\":\"\\u001b[2J\"}")[0].contains('\u{1b}'));
    }
}
