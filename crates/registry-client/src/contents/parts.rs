//! Reads the parts of manifests and configurations out of their JSON: texts, sizes, descriptors, platforms, labels. A
//! part that is odd is read as far as possible, and noted; nothing here is an error.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::contents::lenient::{JsonText, Picked, RawJson};
use crate::grammar::{is_digest, shown};
use crate::model::manifest::{Descriptor, Platform};
use crate::model::oddity::{Odd, Oddities};

/// Most bytes of labels, and of annotations, that are kept of one image: as many as registries accept for a whole
/// manifest.
const TEXTS: usize = 4 << 20;
/// Longest text that names a platform or a media type.
const WORD: usize = 255;

/// Reads the parts of one document.
#[derive(Debug)]
pub(crate) struct ManifestParts {
    /// Whether some bytes of the document were not UTF-8 and have been replaced.
    mended: bool,
    /// The oddities found so far.
    pub(crate) odd: Oddities,
}

impl ManifestParts {
    pub(crate) fn new(mended: bool) -> Self {
        Self { mended, odd: Oddities::default() }
    }

    /// Notes a value that counts as missing.
    pub(crate) fn unreadable(&mut self, what: &str) {
        self.odd.add(Odd::ValueUnreadable, || format!("{what} cannot be read and counts as missing"));
    }

    /// A text. None if there is none, or if it is empty.
    pub(crate) fn text<'a>(&mut self, value: Option<RawJson<'a>>, what: &str) -> Option<Cow<'a, str>> {
        let Some(text) = JsonText::of(value?) else {
            self.unreadable(what);
            return None;
        };
        if text.is_mended(self.mended) {
            self.replaced(what);
        }
        Some(text.text).filter(|text| !text.is_empty())
    }

    fn replaced(&mut self, what: &str) {
        self.odd.add(Odd::TextReplaced, || format!("what is not Unicode in {what} is replaced by U+FFFD"));
    }

    /// A short word of printable ASCII, such as a media type.
    pub(crate) fn word(&mut self, value: Option<RawJson<'_>>, what: &str) -> Option<String> {
        let value = value?;
        let text = JsonText::of(value).map(|text| text.text);
        let printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        let word = text.filter(|text| text.len() <= WORD && text.bytes().all(printable));
        if word.is_none() {
            self.unreadable(what);
        }
        word.filter(|word| !word.is_empty()).map(Cow::into_owned)
    }

    /// A descriptor. None if it has no valid digest. A size that cannot be read is noted if the caller asks for it.
    pub(crate) fn descriptor(&mut self, value: RawJson<'_>, what: &str, sized: bool) -> Option<Descriptor> {
        let Picked { values: [media_type, digest, size], .. } = Picked::of(value, &["mediaType", "digest", "size"])?;
        let digest = JsonText::of(digest?).filter(|digest| is_digest(&digest.text))?;
        let size = size.and_then(RawJson::count);
        if sized && size.is_none() {
            self.odd.add(Odd::SizeUnknown, || format!("the size of {what} {} is not known", digest.text));
        }
        let media_type = self.word(media_type, &format!("the media type of {what}")).unwrap_or_default();
        Some(Descriptor { digest: digest.text.into_owned(), size, media_type })
    }

    /// A platform. `unknown` counts as missing.
    pub(crate) fn platform(&mut self, [os, architecture, variant]: [Option<RawJson<'_>>; 3]) -> Platform {
        let mut word = |value, what| {
            let word = self.text(value, what).filter(|word| word != "unknown")?;
            if word.len() > WORD {
                self.unreadable(what);
                return None;
            }
            Some(word.into_owned())
        };
        Platform {
            os: word(os, "`os`"),
            architecture: word(architecture, "`architecture`"),
            variant: word(variant, "`variant`"),
        }
    }

    /// The platform of an entry of an index.
    pub(crate) fn platform_of(&mut self, entry: RawJson<'_>) -> Platform {
        let Some(Picked { values: [Some(platform)], .. }) = Picked::of(entry, &["platform"]) else {
            return Platform::default();
        };
        let Some(picked) = Picked::of(platform, &["os", "architecture", "variant"]) else {
            self.unreadable("the platform of an entry");
            return Platform::default();
        };
        self.platform(picked.values)
    }

    /// Labels or annotations whose values are texts. `null` is an empty list of them, as in Go.
    pub(crate) fn texts(&mut self, value: Option<RawJson<'_>>, what: &str) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        let Some(value) = value else { return texts };
        if !value.is_object() {
            self.unreadable(&format!("the value of the {what}"));
        }
        for (name, value) in value.members() {
            let text = match JsonText::of(value) {
                Some(text) => text,
                None if value.is_null() => JsonText { text: Cow::Borrowed(""), replaced: false },
                None => {
                    self.unreadable(&format!("`{}` of the {what}", shown(&name.text)));
                    continue;
                }
            };
            if name.is_mended(self.mended) || text.is_mended(self.mended) {
                self.replaced(&format!("the {what}"));
            }
            texts.insert(name.text.into_owned(), text.text.into_owned());
        }
        self.within_bounds(texts, what)
    }

    fn within_bounds(&mut self, texts: BTreeMap<String, String>, what: &str) -> BTreeMap<String, String> {
        let bytes = |key: &str, value: &str| key.len() + value.len();
        if size(&texts) <= TEXTS {
            return texts;
        }
        let (mut room, mut kept, mut cut) = (TEXTS, BTreeMap::new(), 0_u64);
        for (key, value) in texts {
            match room.checked_sub(bytes(&key, &value)) {
                Some(rest) => {
                    room = rest;
                    kept.insert(key, value);
                }
                None => cut += 1,
            }
        }
        self.odd.add(Odd::LabelsCut, || format!("{cut} of the {what} are left out: {TEXTS} bytes of them are kept"));
        kept
    }
}

/// The number of bytes of labels or annotations.
pub(crate) fn size(texts: &BTreeMap<String, String>) -> usize {
    texts.iter().map(|(key, value)| key.len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(document: &str) -> (BTreeMap<String, String>, Vec<String>) {
        let mut parts = ManifestParts::new(false);
        let raw = RawJson::document(document).expect("JSON");
        let texts = parts.texts(Some(raw), "labels");
        (texts, parts.odd.notes())
    }

    #[test]
    fn labels_of_any_size_that_registries_take_are_kept_and_what_is_cut_is_said() {
        let long = |length: usize| format!(r#"{{"a":"1","b":"{}","c":"3"}}"#, "x".repeat(length));
        let (kept, notes) = texts(&long(TEXTS - 5));
        assert_eq!((kept.len(), notes), (3, Vec::new()));
        let (kept, notes) = texts(&long(TEXTS));
        assert_eq!(kept.into_keys().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(notes, ["labels_cut: 1 of the labels are left out: 4194304 bytes of them are kept"]);
    }

    #[test]
    fn what_is_no_text_among_labels_is_left_out_and_said() {
        let (kept, notes) = texts(r#"{"a":1,"b":null,"c":"\ud83d","\ude00":"x","d":["y"]}"#);
        let kept: Vec<_> = kept.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(kept, [("b", ""), ("c", "\u{fffd}"), ("\u{fffd}", "x")]);
        assert_eq!(
            notes,
            [
                "value_unreadable: `a` of the labels cannot be read and counts as missing; 1 more like it",
                "text_replaced: what is not Unicode in the labels is replaced by U+FFFD; 1 more like it",
            ]
        );
        for odd in ["[]", "\"x\"", "7"] {
            assert_eq!(
                texts(odd).1,
                ["value_unreadable: the value of the labels cannot be read and counts as missing"]
            );
        }
    }

    #[test]
    fn a_platform_that_is_odd_is_not_known_and_said() {
        let long = format!("\"{}\"", "x".repeat(WORD + 1));
        for odd in ["5", "[]", &long] {
            let mut parts = ManifestParts::new(false);
            let raw = |text| RawJson::document(text).ok();
            let platform = parts.platform([raw(odd), raw("\"unknown\""), raw("\"v8\"")]);
            assert_eq!(platform, Platform { variant: Some("v8".into()), ..Platform::default() });
            assert_eq!(parts.odd.notes(), ["value_unreadable: `os` cannot be read and counts as missing"], "{odd:.20}");
        }
    }
}
