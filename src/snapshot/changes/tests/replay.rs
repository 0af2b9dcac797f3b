//! The property that makes the table worth having: replayed over the first snapshot, it gives what is last known.

use fastrand::Rng;

use super::*;

const NAMES: [&str; 9] = ["a/one", "a/three", "a/two", "b/one", "b/two", "c", "hidden/one", "old/a", "old/b"];

/// What is known of a repository by the rules, and from which nights.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    run_id: String,
    tags: Option<(String, TagDigests)>,
}

type Models = BTreeMap<String, Model>;

/// What is known after a night, by the rules as they are written down.
fn after(before: &Models, night: &WalkedNight, run_id: &str) -> Models {
    let WalkedNight { scope, repositories } = night;
    let mut models = before.clone();
    models.retain(|name, _| {
        let is_carried = scope.list != ListCoverage::Whole && scope.takes(name);
        repositories.contains_key(name) || is_carried
    });
    for (name, (state, monitored, tags)) in repositories {
        let old = models.remove(name);
        let model = match state {
            RepositoryState::Gone => continue,
            RepositoryState::Denied | RepositoryState::Error => {
                old.unwrap_or(Model { run_id: run_id.to_owned(), tags: None })
            }
            RepositoryState::Complete => {
                let old_tags = old.and_then(|old| old.tags);
                let new_tags = || {
                    let digest_of = |tag: &String| {
                        old_tags.as_ref().and_then(|(_, tags): &(String, TagDigests)| tags.get(tag)?.clone())
                    };
                    let last_known = |(tag, digest): (&String, &Option<String>)| {
                        let asked = scope.depth == Depth::Manifests;
                        (tag.clone(), if asked { digest.clone() } else { digest_of(tag) })
                    };
                    (run_id.to_owned(), tags.iter().map(last_known).collect())
                };
                let asked = *monitored || scope.depth >= Depth::Tags;
                Model { run_id: run_id.to_owned(), tags: if asked { Some(new_tags()) } else { old_tags } }
            }
        };
        models.insert(name.clone(), model);
    }
    models
}

/// Applies changes, as a reader of the table does who knows nothing else.
fn replay(inventory: &mut BTreeMap<String, TagDigests>, changes: &[Change]) {
    for change in changes {
        let digest = change.new_digest.clone();
        match (change.tag.clone(), change.op.as_str()) {
            (None, "added") => {
                assert!(inventory.insert(change.repository.clone(), TagDigests::new()).is_none(), "{change:?}");
            }
            // Its tags follow, each with its own row.
            (None, "removed") => assert!(inventory.contains_key(&change.repository), "{change:?}"),
            (Some(tag), op) => {
                let tags = inventory.get_mut(&change.repository).unwrap_or_else(|| panic!("{change:?}"));
                let old = tags.get(&tag).cloned();
                assert_eq!(old.is_some(), op != "added", "{change:?}");
                assert_eq!(old.flatten(), change.old_digest, "{change:?}");
                if op == "removed" {
                    tags.remove(&tag)
                } else {
                    tags.insert(tag, digest)
                };
            }
            (None, _) => panic!("{change:?}"),
        }
    }
    for change in changes.iter().filter(|change| change.tag.is_none() && change.op == "removed") {
        assert_eq!(
            inventory.remove(&change.repository),
            Some(TagDigests::new()),
            "{change:?}: tags without a row remain"
        );
    }
}

/// The night of which each row says that it was compared with.
fn assert_previous(change: &Change, before: &Models, last: &str, seed: u64) {
    let model = before.get(&change.repository);
    let expected = match (model, &change.tag) {
        (None, _) => last,
        (Some(model), None) => &model.run_id,
        (Some(model), Some(_)) => model.tags.as_ref().map_or(&model.run_id, |(run_id, _)| run_id),
    };
    assert_eq!(change.previous_run_id, expected, "seed {seed}: {change:?}");
}

/// Something of the registry, changed a little every night.
fn evolve(registry: &mut BTreeMap<String, TagDigests>, random: &mut Rng) {
    for name in NAMES {
        match random.u8(0..10) {
            0 => drop(registry.remove(name)),
            1 => drop(registry.entry(name.to_owned()).or_default()),
            _ => {}
        }
    }
    for tags in registry.values_mut() {
        for tag in ["1", "2", "latest", "v3"] {
            match random.u8(0..8) {
                0 => drop(tags.remove(tag)),
                1 => drop(tags.insert(tag.to_owned(), Some(format!("sha256:{}", random.u8(0..9))))),
                // It leads nowhere.
                2 if random.u8(0..4) == 0 => drop(tags.insert(tag.to_owned(), None)),
                _ => {}
            }
        }
    }
}

fn random_scope(random: &mut Rng) -> Scope {
    let depth = *random.choice(&[Depth::Repositories, Depth::Tags, Depth::Manifests, Depth::Manifests]).unwrap();
    let filters: [(&[&str], &[&str]); 5] =
        [(&[], &[]), (&[], &[]), (&["a/*"], &[]), (&[], &["old/*"]), (&["**"], &["b/*"])];
    let (include, exclude) = *random.choice(&filters).unwrap();
    let monitored: &[&str] = random.choice(&[&[][..], &[][..], &["hidden/one"], &["a/one", "old/a"]]).copied().unwrap();
    let lists = [ListCoverage::Whole, ListCoverage::Whole, ListCoverage::Limited, ListCoverage::Incomplete];
    Scope {
        depth,
        filter: filter(include, exclude),
        monitored: monitored.iter().collect(),
        list: *random.choice(&lists).unwrap(),
        source: (*random.choice(&["here", "here", "here", "there"]).unwrap()).to_owned(),
    }
}

/// What a walk of this scope sees of the registry.
fn walk(registry: &BTreeMap<String, TagDigests>, scope: Scope, is_sick: bool, random: &mut Rng) -> WalkedNight {
    let mut repositories = BTreeMap::new();
    for name in NAMES {
        let monitored = scope.monitored.contains(name);
        let is_listed = registry.contains_key(name) && !name.starts_with("hidden/");
        let is_reached = scope.list == ListCoverage::Whole || random.bool();
        if !(monitored || is_listed && is_reached && scope.filter.accepts(name)) {
            // Some registries list what is gone.
            let lists_ghost = !registry.contains_key(name) && scope.filter.accepts(name) && random.u8(0..4) == 0;
            if lists_ghost {
                let state = if scope.reads_tags(false) { RepositoryState::Gone } else { RepositoryState::Complete };
                repositories.insert(name.to_owned(), (state, false, TagDigests::new()));
            }
            continue;
        }
        let asks = scope.reads_tags(monitored);
        let Some(tags) = registry.get(name) else {
            repositories.insert(name.to_owned(), (RepositoryState::Gone, monitored, TagDigests::new()));
            continue;
        };
        let bare = |tags: &TagDigests| tags.keys().map(|tag| (tag.clone(), None)).collect::<TagDigests>();
        let row = match random.u8(0..6) {
            _ if !asks => (RepositoryState::Complete, monitored, TagDigests::new()),
            0 if is_sick => (RepositoryState::Denied, monitored, TagDigests::new()),
            // The tags were listed; a manifest failed.
            1 if is_sick => (RepositoryState::Error, monitored, bare(tags)),
            _ if scope.reads_digests() => (RepositoryState::Complete, monitored, tags.clone()),
            _ => (RepositoryState::Complete, monitored, bare(tags)),
        };
        repositories.insert(name.to_owned(), row);
    }
    WalkedNight { scope, repositories }
}

#[test]
fn changes_of_all_nights_over_the_first_snapshot_give_what_is_last_known() {
    for seed in 0..20 {
        let mut random = Rng::with_seed(seed);
        let root = tempfile::tempdir().unwrap();
        let (mut registry, mut models, mut inventory) = (BTreeMap::new(), Models::new(), BTreeMap::new());
        (0..4).for_each(|_| evolve(&mut registry, &mut random));
        let (mut scope, mut last): (Scope, Option<Sealed>) = (random_scope(&mut random), None);
        for day in 0..9 {
            evolve(&mut registry, &mut random);
            if random.u8(0..3) == 0 {
                scope = random_scope(&mut random);
            }
            let is_sick = random.bool();
            let night = walk(&registry, scope.clone(), is_sick, &mut random);
            let next = after(&models, &night, &run_id(day));
            let tonight = sealed(root.path(), day, &night, last.as_ref());
            let rows = changes(&tonight);
            if last.is_none() {
                assert!(rows.is_empty(), "seed {seed}: {rows:?}");
                let beginning = night.repositories.iter().filter(|(_, (state, ..))| *state != RepositoryState::Gone);
                let whole = |(name, (state, _, tags)): (&String, &(RepositoryState, bool, TagDigests))| {
                    (name.clone(), if *state == RepositoryState::Complete { tags.clone() } else { TagDigests::new() })
                };
                inventory = beginning.map(whole).collect();
            } else {
                for change in &rows {
                    assert_previous(change, &models, &run_id(day - 1), seed);
                }
                replay(&mut inventory, &rows);
            }
            let expected: BTreeMap<_, _> =
                next.iter().map(|(name, model)| (name.clone(), model.tags.clone().map(|(_, tags)| tags))).collect();
            assert_eq!(known(&tonight), expected, "seed {seed}, day {day}: {night:?}");
            let expected: BTreeMap<_, _> =
                expected.into_iter().map(|(name, tags)| (name, tags.unwrap_or_default())).collect();
            assert_eq!(inventory, expected, "seed {seed}, day {day}: {rows:?}");
            (models, last) = (next, Some(tonight));
        }
    }
}

#[test]
fn changes_of_complete_nights_are_the_plain_difference() {
    for seed in 0..15 {
        let mut random = Rng::with_seed(1_000 + seed);
        let root = tempfile::tempdir().unwrap();
        let mut registry = BTreeMap::new();
        (0..4).for_each(|_| evolve(&mut registry, &mut random));
        let mut last: Option<(Sealed, BTreeMap<String, TagDigests>)> = None;
        for day in 0..4 {
            evolve(&mut registry, &mut random);
            let repositories =
                registry.iter().map(|(name, tags)| (name.clone(), (RepositoryState::Complete, false, tags.clone())));
            let night = WalkedNight { scope: everything(Depth::Manifests), repositories: repositories.collect() };
            let tonight = sealed(root.path(), day, &night, last.as_ref().map(|(sealed, _)| sealed));
            if let Some((_, before)) = &last {
                let rows = changes(&tonight);
                assert!(rows.iter().all(|row| row.cause == "registry" && row.previous_run_id == run_id(day - 1)));
                assert_eq!(short(&rows), difference(before, &registry), "seed {seed}, day {day}");
            }
            last = Some((tonight, registry.clone()));
        }
    }
}

/// Entity, repository, tag, op.
type Short = BTreeSet<(String, String, Option<String>, &'static str)>;

fn short(rows: &[Change]) -> Short {
    let op = |op: &str| ["added", "removed", "moved"].into_iter().find(|known| *known == op).unwrap();
    rows.iter().map(|row| (row.entity.clone(), row.repository.clone(), row.tag.clone(), op(&row.op))).collect()
}

fn difference(before: &BTreeMap<String, TagDigests>, now: &BTreeMap<String, TagDigests>) -> Short {
    let flat = |registry: &BTreeMap<String, TagDigests>| -> BTreeMap<(String, String, Option<String>), Option<String>> {
        let tags = registry.iter().flat_map(|(name, tags)| {
            let tag = |(tag, digest): (&String, &Option<String>)| {
                (("tag".to_owned(), name.clone(), Some(tag.clone())), digest.clone())
            };
            tags.iter().map(tag).collect::<Vec<_>>()
        });
        let names = registry.keys().map(|name| (("repository".to_owned(), name.clone(), None), None));
        tags.chain(names).collect()
    };
    let (before, now) = (flat(before), flat(now));
    let keys: BTreeSet<_> = before.keys().chain(now.keys()).cloned().collect();
    let op = |key: &(String, String, Option<String>)| match (before.get(key), now.get(key)) {
        (None, Some(_)) => Some("added"),
        (Some(_), None) => Some("removed"),
        (old, new) => (old != new).then_some("moved"),
    };
    keys.into_iter().filter_map(|key| op(&key).map(|op| (key.0, key.1, key.2, op))).collect()
}
