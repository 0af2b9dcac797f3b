//! Manifests of schema 1 are signed. A registry knows such a manifest by the digest of its payload, that is the body
//! without its signatures (distribution's "Image Manifest V2, Schema 1", "Signed Manifests"). Pure.

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};

use crate::contents::lenient::{JsonText, Picked, RawJson, document};

const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The payload of a signed body. None if the body is not signed.
pub(crate) fn payload(body: &[u8]) -> Option<Vec<u8>> {
    let (document, _) = document(body);
    let Picked { values: [signatures], .. } = Picked::read(&document, &["signatures"]).ok()?;
    let first = signatures?.elements()?.next()?;
    let Picked { values: [protected], .. } = Picked::of(first, &["protected"])?;
    let header = URL_SAFE.decode(JsonText::of(protected?)?.text.as_bytes()).ok()?;
    let header = String::from_utf8(header).ok()?;
    let Picked { values: [length, tail], .. } = Picked::read(&header, &["formatLength", "formatTail"]).ok()?;
    // The signatures are between the beginning and the end of the payload.
    let length = usize::try_from(length.and_then(RawJson::count)?).ok()?;
    let tail = URL_SAFE.decode(JsonText::of(tail?)?.text.as_bytes()).ok()?;
    Some([body.get(..length)?, &tail].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_is_found_and_nothing_where_nothing_was() {
        let signed = b"{\n   \"schemaVersion\": 1,\n   \"name\": \"a\"\n}";
        let length = signed.len() - 2;
        let header =
            format!("{{\"formatLength\":{length},\"formatTail\":\"{}\",\"time\":\"x\"}}", URL_SAFE.encode(b"\n}"));
        let signature = format!(",\n   \"signatures\": [{{\"protected\": \"{}\"}}]\n}}", URL_SAFE.encode(header));
        let body = [&signed[..length], signature.as_bytes()].concat();
        assert_eq!(payload(&body).as_deref(), Some(&signed[..]));
        for unsigned in ["{}", "", "[]", r#"{"signatures":[]}"#, r#"{"signatures":[{"protected":"!"}]}"#] {
            assert_eq!(payload(unsigned.as_bytes()), None, "{unsigned}");
        }
        let beyond = URL_SAFE.encode(r#"{"formatLength":4000000000,"formatTail":""}"#);
        assert_eq!(payload(format!("{{\"signatures\":[{{\"protected\":\"{beyond}\"}}]}}").as_bytes()), None);
    }
}
