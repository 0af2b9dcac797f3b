//! Nights as they happen, and the rows that readers get.

use super::*;

/// Repositories that were read wholly, with their tags.
fn whole(repositories: &[(&str, &[(&str, &str)])]) -> BTreeMap<String, (RepositoryState, bool, TagDigests)> {
    let tags = |tags: &[(&str, &str)]| {
        let digest = |digest: &str| (!digest.is_empty()).then(|| digest.to_owned());
        tags.iter().map(|(tag, to)| ((*tag).to_owned(), digest(to))).collect::<TagDigests>()
    };
    let row = |(name, listed): &(&str, &[(&str, &str)])| {
        ((*name).to_owned(), (RepositoryState::Complete, false, tags(listed)))
    };
    repositories.iter().map(row).collect()
}

fn deep(repositories: &[(&str, &[(&str, &str)])]) -> WalkedNight {
    WalkedNight { scope: everything(Depth::Manifests), repositories: whole(repositories) }
}

/// `op cause repository:tag old→new (night)`.
fn told(sealed: &Sealed) -> Vec<String> {
    let digest = |digest: &Option<String>| digest.clone().unwrap_or_else(|| "-".to_owned());
    let row = |change: Change| {
        let tag = change.tag.map_or_else(String::new, |tag| format!(":{tag}"));
        let (old, new) = (digest(&change.old_digest), digest(&change.new_digest));
        let day = (0..9).find(|day| run_id(*day) == change.previous_run_id).unwrap();
        format!("{} {} {}{tag} {old}→{new} ({day})", change.op, change.cause, change.repository)
    };
    changes(sealed).into_iter().map(row).collect()
}

/// Seals these nights one after the other; what each says has changed.
fn all(nights: &[WalkedNight]) -> Vec<Vec<String>> {
    let root = tempfile::tempdir().unwrap();
    let mut last: Option<Sealed> = None;
    let mut all = Vec::new();
    for (day, night) in (0..).zip(nights) {
        let tonight = sealed(root.path(), day, night, last.as_ref());
        all.push(told(&tonight));
        last = Some(tonight);
    }
    all
}

#[test]
fn the_first_night_is_the_beginning() {
    assert_eq!(all(&[deep(&[("a", &[("1", "x")])])]), [Vec::<String>::new()]);
    assert_eq!(
        all(&[deep(&[]), deep(&[("a", &[("1", "x")])])])[1],
        ["added registry a -→- (0)", "added registry a:1 -→x (0)"]
    );
}

#[test]
fn a_night_with_gaps_removes_nothing_that_it_did_not_see_go() {
    let refused = |night: &mut WalkedNight, name: &str| {
        night.repositories.insert(name.to_owned(), (RepositoryState::Denied, false, TagDigests::new()));
    };
    let first = deep(&[("a", &[("1", "x"), ("2", "y")]), ("b", &[("1", "x")]), ("c", &[("1", "x")])]);
    let mut second = deep(&[("c", &[])]);
    refused(&mut second, "a");
    refused(&mut second, "b");
    // Both are back. `a` has changed meanwhile, and is compared with the night on which it was last read.
    let third = deep(&[("a", &[("2", "z")]), ("b", &[("1", "x")]), ("c", &[])]);
    assert_eq!(
        all(&[first, second, third])[1..],
        [
            vec!["removed registry c:1 x→- (0)".to_owned()],
            vec!["removed registry a:1 x→- (0)".to_owned(), "moved registry a:2 y→z (0)".to_owned()],
        ]
    );
}

#[test]
fn a_repository_that_was_never_read_has_its_tags_from_the_night_on_which_it_is() {
    let mut first = deep(&[]);
    first
        .repositories
        .insert("a".to_owned(), (RepositoryState::Error, false, TagDigests::from([("1".to_owned(), None)])));
    let mut second = first.clone();
    second.repositories.insert("b".to_owned(), (RepositoryState::Denied, false, TagDigests::new()));
    let third = deep(&[("a", &[("1", "x")]), ("b", &[("1", "y")])]);
    assert_eq!(
        all(&[first, second, third])[1..],
        [
            vec!["added registry b -→- (0)".to_owned()],
            vec!["added registry a:1 -→x (0)".to_owned(), "added registry b:1 -→y (1)".to_owned()],
        ]
    );
}

#[test]
fn a_depth_that_was_raised_makes_no_tag_come_from_the_registry() {
    let of = |depth, repositories| WalkedNight { scope: everything(depth), repositories };
    let names = whole(&[("a", &[]), ("b", &[])]);
    let tags = whole(&[("a", &[("1", ""), ("2", "")]), ("b", &[])]);
    let moved = whole(&[("a", &[("1", "x"), ("2", "")]), ("b", &[("1", "z")])]);
    let nights = [
        of(Depth::Repositories, names.clone()),
        of(Depth::Tags, tags),
        of(Depth::Manifests, moved.clone()),
        // Names alone: nothing is known to have gone.
        of(Depth::Repositories, names),
        // Tags alone: digests remain known.
        of(Depth::Tags, whole(&[("a", &[("1", "")]), ("b", &[("1", "")])])),
        of(Depth::Manifests, whole(&[("a", &[("1", "y")]), ("b", &[("1", "z")])])),
    ];
    assert_eq!(
        all(&nights)[1..],
        [
            vec!["added configuration a:1 -→- (0)".to_owned(), "added configuration a:2 -→- (0)".to_owned()],
            // Tag 2 leads nowhere, which is no digest that became known.
            vec!["moved configuration a:1 -→x (1)".to_owned(), "added registry b:1 -→z (1)".to_owned()],
            vec![],
            vec!["removed registry a:2 -→- (2)".to_owned()],
            vec!["moved registry a:1 x→y (4)".to_owned()],
        ]
    );
}

#[test]
fn a_tag_that_leads_nowhere_any_more_has_moved() {
    let nights = [("1", "x"), ("1", ""), ("1", "x")].map(|tag| deep(&[("a", &[tag])]));
    assert_eq!(all(&nights)[1..], [["moved registry a:1 x→- (0)"], ["moved registry a:1 -→x (1)"]]);
}

#[test]
fn what_was_excluded_comes_back_by_the_configuration() {
    let both = deep(&[("a", &[("1", "x")]), ("b", &[("1", "x")])]);
    let mut one = deep(&[("a", &[("1", "x")])]);
    one.scope.filter = filter(&[], &["b"]);
    let word = |op, (old, new)| {
        vec![format!("{op} configuration b -→- {}", "(0)"), format!("{op} configuration b:1 {old}→{new} (0)")]
    };
    let nights = all(&[both.clone(), one, both]);
    assert_eq!(nights[1], word("removed", ("x", "-")));
    let back: Vec<_> = word("added", ("-", "x")).iter().map(|row| row.replace("(0)", "(1)")).collect();
    assert_eq!(nights[2], back);
}

#[test]
fn a_list_that_was_cut_by_a_limit_removes_nothing() {
    let three = deep(&[("a", &[("1", "x")]), ("b", &[("1", "x")]), ("c", &[("1", "x")])]);
    let mut two = deep(&[("a", &[("1", "x")]), ("b", &[("1", "y")])]);
    two.scope.list = ListCoverage::Limited;
    let moved = deep(&[("a", &[("1", "x")]), ("b", &[("1", "y")]), ("c", &[("1", "z")]), ("d", &[])]);
    assert_eq!(
        all(&[three, two, moved])[1..],
        [
            vec!["moved registry b:1 x→y (0)".to_owned()],
            vec!["added configuration d -→- (1)".to_owned(), "moved registry c:1 x→z (0)".to_owned()],
        ]
    );
}

#[test]
fn a_snapshot_that_cannot_be_read_is_told_from_a_night_that_cannot() {
    let root = tempfile::tempdir().unwrap();
    let night = deep(&[("a", &[("1", "x")])]);
    let first = sealed(root.path(), 0, &night, None);
    std::fs::write(first.directory.join("tags.arrow"), "no table").unwrap();
    let (scope, run_id) = (everything(Depth::Manifests), run_id(1));
    let walked = root.path().join("again");
    let again = sealed(&walked, 1, &night, None);
    let compared = |before, directory: &Path| {
        compare(before, &Night { directory, scope: &scope, run_id: &run_id, detected_at: at(1) })
    };
    assert!(matches!(compared(Some(&first), &again.directory), Err(ChangesError::Baseline(_))));
    assert!(matches!(compared(None, root.path()), Err(ChangesError::Tonight(_))));
    assert_eq!(compared(None, &again.directory).unwrap(), ChangeCounts::default());
}
