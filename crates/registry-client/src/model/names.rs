//! A list of names in one buffer: a page of a thousand names is two allocations and not a thousand.

/// A list of names, stored one after the other in one buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Names {
    text: String,
    ends: Vec<u32>,
}

impl Names {
    /// Appends a name.
    ///
    /// # Panics
    /// If the names take more than 4 GiB; pages are bounded far below.
    pub fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(u32::try_from(self.text.len()).expect("a page is capped far below 4 GiB"));
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Keeps the first `len` names, or all if there are fewer.
    pub(crate) fn truncate(&mut self, len: usize) {
        if len < self.ends.len() {
            self.ends.truncate(len);
            self.text.truncate(self.ends.last().map_or(0, |end| *end as usize));
        }
    }

    /// The names in the order in which they were appended.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + '_ {
        (0..self.ends.len()).map(|at| &self[at])
    }
}

impl std::ops::Index<usize> for Names {
    type Output = str;

    fn index(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        &self.text[start..self.ends[at] as usize]
    }
}

impl<'a> FromIterator<&'a str> for Names {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut list = Self::default();
        names.into_iter().for_each(|name| list.push(name));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_in_order_and_whole() {
        let names: Names = ["a/b", "", "ü"].into_iter().collect();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["a/b", "", "ü"]);
        assert_eq!(names.len(), 3);
    }

    #[test]
    fn the_first_names_can_be_kept_alone() {
        let mut names: Names = ["a", "bc", "d"].into_iter().collect();
        names.truncate(5);
        assert_eq!(names.len(), 3);
        names.truncate(2);
        assert_eq!(names, ["a", "bc"].into_iter().collect());
        names.truncate(0);
        assert_eq!(names, Names::default());
    }
}
