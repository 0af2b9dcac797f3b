//! Oddities of manifests and configurations whose digests are right: for the notes in their rows and for the errors of
//! the run. Stable codes; reads nothing.

/// A kind of oddity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// A manifest of schema 1, which is obsolete: only its digest and media type are read.
    Schema1,
    /// The `Content-Type` of the registry differs from the media type in the manifest.
    MediaTypeDiffers,
    /// Text that is not Unicode, or has a NUL: replaced by U+FFFD.
    TextReplaced,
    /// A value of the wrong type, or against its grammar: it counts as missing.
    ValueUnreadable,
    /// A size that is not a number of bytes: it is null, and so is the sum.
    SizeUnknown,
    /// A layer without a digest: the whole list of layers is null.
    LayersUnreadable,
    /// A time that cannot be read, or that readers of the tables do not accept: it is null.
    CreatedUnusable,
    /// The configuration has the right digest, and is not a configuration.
    ConfigUnreadable,
    /// More labels or annotations than are kept.
    LabelsCut,
    /// Labels or annotations for which there was no memory in this run: the next run reads them.
    NoRoom,
}

impl Odd {
    /// All oddities.
    pub const ALL: [Self; 10] = [
        Self::Schema1,
        Self::MediaTypeDiffers,
        Self::TextReplaced,
        Self::ValueUnreadable,
        Self::SizeUnknown,
        Self::LayersUnreadable,
        Self::CreatedUnusable,
        Self::ConfigUnreadable,
        Self::LabelsCut,
        Self::NoRoom,
    ];

    /// The stable code in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schema1 => "schema_1",
            Self::MediaTypeDiffers => "media_type_differs",
            Self::TextReplaced => "text_replaced",
            Self::ValueUnreadable => "value_unreadable",
            Self::SizeUnknown => "size_unknown",
            Self::LayersUnreadable => "layers_unreadable",
            Self::CreatedUnusable => "created_unusable",
            Self::ConfigUnreadable => "config_unreadable",
            Self::LabelsCut => "labels_cut",
            Self::NoRoom => "no_room",
        }
    }
}

/// The oddities found, each kind once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oddities(Vec<Oddity>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Oddity {
    odd: Odd,
    /// The text of the first of this kind.
    words: String,
    /// How many followed.
    more: u64,
}

impl Oddities {
    /// Adds one. The text of the first of each kind is kept; further ones are counted.
    pub fn add(&mut self, odd: Odd, words: impl FnOnce() -> String) {
        match self.0.iter_mut().find(|known| known.odd == odd) {
            Some(known) => known.more += 1,
            None => self.0.push(Oddity { odd, words: words(), more: 0 }),
        }
    }

    /// Adds those of a part.
    pub fn append(&mut self, part: &Self) {
        for Oddity { odd, words, more } in &part.0 {
            match self.0.iter_mut().find(|known| known.odd == *odd) {
                Some(known) => known.more += 1 + more,
                None => self.0.push(Oddity { odd: *odd, words: words.clone(), more: *more }),
            }
        }
    }

    /// Whether there is one of this kind.
    pub fn has(&self, odd: Odd) -> bool {
        self.0.iter().any(|known| known.odd == odd)
    }

    /// `code: text` for each kind.
    pub fn notes(&self) -> Vec<String> {
        let note = |Oddity { odd, words, more }: &Oddity| {
            let more = if *more > 0 { format!("; {more} more like it") } else { String::new() };
            format!("{}: {words}{more}", odd.as_str())
        };
        self.0.iter().map(note).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_words() {
        let codes: std::collections::HashSet<_> = Odd::ALL.iter().map(|odd| odd.as_str()).collect();
        assert_eq!(codes.len(), Odd::ALL.len());
        assert!(
            codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
        );
    }

    #[test]
    fn each_kind_is_said_once_and_counted() {
        let (mut of_manifest, mut of_config) = (Oddities::default(), Oddities::default());
        of_manifest.add(Odd::TextReplaced, || "an annotation".into());
        of_config.add(Odd::TextReplaced, || "a label".into());
        of_config.add(Odd::TextReplaced, || unreachable!("the first words are kept"));
        of_config.add(Odd::LabelsCut, || "3 labels".into());
        of_manifest.append(&of_config);
        assert_eq!(of_manifest.notes(), ["text_replaced: an annotation; 2 more like it", "labels_cut: 3 labels"]);
        assert!(of_manifest.has(Odd::LabelsCut) && !of_manifest.has(Odd::Schema1));
    }
}
