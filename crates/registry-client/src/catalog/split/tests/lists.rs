//! Lists of names as servers keep them, and names of many shapes.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::catalog::split::order::Order;
use crate::catalog::split::plan::RangePage;
use crate::grammar::is_repository_name;

/// How a server orders its list, and what it does with a `last` that is not a name of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    Byte,
    Path,
    /// Separators are ignored, as databases collate.
    Collated,
    /// As a database that compares `_` as the last of all bytes.
    UnderscoreLast,
    /// Backwards.
    Reversed,
    /// By age; an unknown `last` begins at page 1 again.
    Created,
    /// By bytes; an unknown `last` begins at page 1 again.
    Restarting,
    /// Ordered but for some names.
    NearlyByte,
}

impl Listing {
    pub(crate) const STRANGE: [Self; 6] =
        [Self::Collated, Self::UnderscoreLast, Self::Reversed, Self::Created, Self::Restarting, Self::NearlyByte];

    fn compare(self, a: &str, b: &str) -> Ordering {
        let letters = |name: &str| name.bytes().filter(u8::is_ascii_alphanumeric).collect::<Vec<_>>();
        let ranks = |name: &str| name.bytes().map(|byte| if byte == b'_' { 255 } else { byte }).collect::<Vec<_>>();
        match self {
            Self::Path => Order::Path.compare(a, b),
            Self::Collated => letters(a).cmp(&letters(b)).then(a.cmp(b)),
            Self::UnderscoreLast => ranks(a).cmp(&ranks(b)),
            Self::Reversed => b.cmp(a),
            Self::Byte | Self::Created | Self::Restarting | Self::NearlyByte => a.cmp(b),
        }
    }
}

pub(crate) struct List {
    names: Vec<String>,
    listing: Listing,
    pub(crate) page_size: usize,
}

impl List {
    pub(crate) fn new(mut names: Vec<String>, listing: Listing, page_size: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(names.len() as u64);
        names.sort_by(|a, b| listing.compare(a, b));
        match listing {
            Listing::Created => {
                let sorted = random.usize(..=names.len());
                random.shuffle(&mut names[sorted..]);
            }
            Listing::NearlyByte => {
                for _ in 0..3 {
                    let (a, b) = (random.usize(..names.len()), random.usize(..names.len()));
                    names.swap(a, b);
                }
            }
            _ => {}
        }
        Self { names, listing, page_size }
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn page(&self, last: Option<&str>) -> RangePage<()> {
        let start = last.map_or(0, |last| self.after(last));
        let end = self.len().min(start + self.page_size);
        let names = self.names[start..end].iter().map(String::as_str).collect();
        RangePage { names, next: (end < self.len()).then(|| self.names[end - 1].clone()), rest: () }
    }

    /// All that follows a listed name, by links.
    pub(crate) fn rest(&self, last: &str) -> Vec<String> {
        self.names[self.after(last)..].to_vec()
    }

    fn after(&self, last: &str) -> usize {
        match self.listing {
            Listing::Created | Listing::Restarting => {
                self.names.iter().position(|name| name == last).map_or(0, |at| at + 1)
            }
            Listing::NearlyByte => match self.names.iter().position(|name| name == last) {
                Some(at) => at + 1,
                None => self.names.iter().position(|name| name.as_str() > last).unwrap_or(self.len()),
            },
            listing => self.names.partition_point(|name| listing.compare(name, last).is_le()),
        }
    }
}

/// Names of some shape: deep, skewed, with a common beginning, with separators where orders differ.
pub(crate) fn names(random: &mut fastrand::Rng, most: usize) -> Vec<String> {
    let count = random.usize(1..most);
    let words: Vec<String> = (0..random.usize(1..40)).map(|_| word(random)).collect();
    let stem = if random.bool() { format!("{}/", word(random)) } else { String::new() };
    let separators: &[&str] = [&["/", "-", ".", "_"][..], &["/"], &["-"], &["/", "-", "--", "__"]][random.usize(..4)];
    let (parts, skew) = (random.usize(1..6), random.f64() * 3.0);
    let mut names = BTreeSet::new();
    for _ in 0..2 * count {
        let mut name = stem.clone();
        for part in 0..random.usize(1..=parts) {
            if part > 0 {
                name.push_str(random.choice(separators).expect("some"));
            }
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // small
            let chosen = (words.len() as f64 * random.f64().powf(1.0 + skew)) as usize;
            name.push_str(&words[chosen]);
        }
        if random.u8(..) < 128 {
            name.push_str(&random.u16(..2000).to_string());
        }
        if names.len() < count && is_repository_name(&name) {
            names.insert(name);
        }
    }
    names.into_iter().collect()
}

fn word(random: &mut fastrand::Rng) -> String {
    (0..random.usize(1..6)).map(|_| if random.u8(..) < 200 { random.lowercase() } else { random.digit(10) }).collect()
}

/// Large lists: spread evenly, under one name, mostly under one, in few large and many small.
pub(crate) fn large(count: usize) -> Vec<(&'static str, Vec<String>)> {
    let teams = fake_registry::RepositoryNames::generated(count, 1).iter().map(str::to_owned).collect();
    let hex = |number: usize| format!("{:08x}", u32::try_from(number).expect("small").wrapping_mul(2_654_435_761));
    let even = (0..count).map(hex).collect();
    let one = (0..count).map(|at| format!("library/service-{at:06}")).collect();
    let ninety =
        |at: usize| if at.is_multiple_of(10) { format!("{}/app", hex(at)) } else { format!("bulk/jobs/{}", hex(at)) };
    let mut random = fastrand::Rng::with_seed(7);
    let spaces: Vec<String> = (0..count / 20).map(|_| format!("{}{}", word(&mut random), word(&mut random))).collect();
    let zipf = |at: usize| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // small
        let space = (spaces.len() as f64).powf(random.f64()) as usize - 1;
        format!("{}/{}-{at}", spaces[space], word(&mut random))
    };
    vec![
        ("teams", teams),
        ("even", even),
        ("one", one),
        ("ninety", (0..count).map(ninety).collect()),
        ("zipf", (0..count).map(zipf).collect()),
    ]
}
