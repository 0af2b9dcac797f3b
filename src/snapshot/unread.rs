//! The repositories that a walk could not read: a few by name, all by their number.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How many of them are named. Further ones are counted.
const NAMED: usize = 10;

/// The repositories that a walk could not read, or only in part. Its size does not depend on their number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnreadRepositories {
    /// The first ones, at most ten.
    pub first: Vec<UnreadRepository>,
    /// All of them by cause. The keys are of a fixed list.
    pub causes: BTreeMap<String, UnreadCause>,
}

/// A repository that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadRepository {
    /// Its name.
    pub repository: String,
    /// As in its row: `denied`.
    pub code: String,
    /// What happened, in one line.
    pub message: String,
}

/// Why some repositories could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadCause {
    /// As in their rows: `denied`.
    pub code: String,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub example: String,
    /// What to do about the first of them.
    pub remedy: String,
}

impl UnreadRepository {
    /// `tags of acme/a: it is not allowed [denied]`, with the name of the repository in any case.
    pub fn told(&self) -> String {
        let Self { repository, code, message } = self;
        let name = if message.contains(repository.as_str()) { String::new() } else { format!("{repository}: ") };
        format!("{name}{message} [{code}]")
    }
}

impl UnreadRepositories {
    /// Adds a repository. `cause` is of a fixed list: repositories with the same one have the same remedy, but for their
    /// names.
    pub fn add(&mut self, cause: &str, unread: UnreadRepository, remedy: String) {
        let UnreadRepository { repository, code, .. } = &unread;
        let entry = self.causes.entry(cause.to_owned()).or_insert_with(|| UnreadCause {
            code: code.clone(),
            count: 0,
            example: repository.clone(),
            remedy,
        });
        entry.count += 1;
        if self.first.len() < NAMED {
            self.first.push(unread);
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.causes.values().map(|cause| cause.count).sum()
    }

    /// How many there are besides those that are named.
    pub fn more(&self) -> u64 {
        self.count().saturating_sub(self.first.len() as u64)
    }

    /// What to do, a line for each cause, the commonest first: `38 denied (acme/a, …): grant Read to this account`.
    pub fn remedies(&self) -> Vec<String> {
        let mut causes: Vec<_> = self.causes.values().collect();
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
        let line = |cause: &&UnreadCause| {
            let UnreadCause { code, count, example, remedy } = cause;
            let others = if *count > 1 { ", …" } else { "" };
            format!("{count} {code} ({example}{others}): {remedy}")
        };
        causes.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(unread: &mut UnreadRepositories, repository: &str, code: &str) {
        let (repository, code) = (repository.to_owned(), code.to_owned());
        let message = format!("tags of {repository}: no");
        unread.add(&code.clone(), UnreadRepository { repository, code, message }, "grant Read".to_owned());
    }

    #[test]
    fn ten_are_named_and_all_are_counted_by_cause_whatever_their_number() {
        let mut unread = UnreadRepositories::default();
        add(&mut unread, "acme/broken", "server_error");
        (0..100_000).for_each(|n| add(&mut unread, &format!("acme/{n}"), "denied"));
        assert_eq!((unread.first.len(), unread.causes.len()), (10, 2));
        assert_eq!((unread.count(), unread.more()), (100_001, 99_991));
        assert_eq!(
            unread.remedies(),
            ["100000 denied (acme/0, …): grant Read", "1 server_error (acme/broken): grant Read"]
        );
    }
}
