//! The names of the repositories, and the orders in which servers list them.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::sync::Arc;

use super::names::NameList;

/// The names of repositories, cheap to clone. The catalog lists them in the [`CatalogOrder`] of the script.
#[derive(Clone, Debug, Default)]
pub struct RepositoryNames(Arc<NameList>);

/// The order in which the catalog lists names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatalogOrder {
    /// In byte order. `last=` accepts any text.
    #[default]
    Bytewise,
    /// `/` before every other byte, as docker-registry lists directories. `last=` accepts any text.
    Path,
    /// In the order of the script, as Quay lists by time of creation. If `last=` is not a listed name, the first page follows, as
    /// on Quay.
    Given,
    /// Shuffled with this seed, otherwise like [`CatalogOrder::Given`].
    Shuffled(u64),
}

impl RepositoryNames {
    /// Generates `count` names such as `team-07/service-123` in byte order. The same seed gives the same names.
    ///
    /// Teams differ in size, and numbers have gaps. Beside some services are names with `-db` and `/worker`, so that byte order
    /// and path order differ.
    pub fn generated(count: usize, seed: u64) -> Self {
        const MEAN_PER_TEAM: usize = 50;
        let mut random = fastrand::Rng::with_seed(seed);
        let width = (count / MEAN_PER_TEAM + 1).max(10).ilog10() as usize + 1;
        let mut names = NameList::default();
        let mut name = String::new();
        let mut team = 0;
        while names.len() < count {
            team += 1;
            let size = random.usize(MEAN_PER_TEAM..2 * MEAN_PER_TEAM);
            let mut service = 0;
            for _ in 0..size {
                service += random.usize(1..=5);
                name.clear();
                write!(name, "team-{team:0width$}/service-{service:03}").expect("writing to a string cannot fail");
                names.push(&name);
                if random.u8(..) < 8 {
                    let stem = name.len();
                    for suffix in ["-db", "/worker"] {
                        name.truncate(stem);
                        name.push_str(suffix);
                        names.push(&name);
                    }
                }
            }
        }
        names.iter().take(count).collect()
    }

    /// The number of names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names in the order of the script.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + '_ {
        self.0.iter()
    }

    /// The names in the order of the catalog. They are not copied if they have this order already.
    pub(super) fn ordered(&self, order: CatalogOrder) -> Arc<NameList> {
        let mut sorted: Vec<&str> = match order {
            CatalogOrder::Bytewise if !self.iter().is_sorted() => self.iter().collect(),
            CatalogOrder::Path if !self.iter().is_sorted_by(|a, b| path_order(a, b).is_le()) => self.iter().collect(),
            CatalogOrder::Shuffled(_) => self.iter().collect(),
            CatalogOrder::Bytewise | CatalogOrder::Path | CatalogOrder::Given => return self.0.clone(),
        };
        match order {
            CatalogOrder::Shuffled(seed) => fastrand::Rng::with_seed(seed).shuffle(&mut sorted),
            CatalogOrder::Path => sorted.sort_by(|a, b| path_order(a, b)),
            CatalogOrder::Bytewise | CatalogOrder::Given => sorted.sort_unstable(),
        }
        Arc::new(sorted.into_iter().collect())
    }
}

/// Compares names segment by segment, as docker-registry does: `/` comes before every other byte.
pub(super) fn path_order(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let differ = a.iter().zip(b).position(|(a, b)| a != b);
    let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
    differ.map_or_else(|| a.len().cmp(&b.len()), |at| rank(a[at]).cmp(&rank(b[at])))
}

impl<'a> FromIterator<&'a str> for RepositoryNames {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        Self(Arc::new(names.into_iter().collect()))
    }
}

impl<const N: usize> From<[&str; N]> for RepositoryNames {
    fn from(names: [&str; N]) -> Self {
        names.into_iter().collect()
    }
}

impl From<&[String]> for RepositoryNames {
    fn from(names: &[String]) -> Self {
        names.iter().map(String::as_str).collect()
    }
}
