//! Reads every object of the chosen runs and compares it with its manifest, several objects at once.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use stocktake_sink::{
    Damage, PublishedFiles, PublishedObject, PublishedRun, PublishedRuns, RegistryName, SinkError, Table,
};

use super::RunChoice;

/// More readers than this wait for one disk.
const READERS: usize = 8;

/// What was looked at, and what was found.
#[derive(Debug, Default)]
pub struct Verification {
    /// Runs whose objects were read.
    pub runs: usize,
    /// Objects that were read.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is not as it was published, in the order of the runs.
    pub damage: Vec<Damage>,
    /// What could not be read: whether it is whole is not known.
    pub unknown: Vec<SinkError>,
    /// What a publisher does next and readers should know, such as a pointer that is one run behind.
    pub notes: Vec<String>,
}

/// One object to look at.
enum Examined<'r> {
    Object(&'r PublishedRun, &'r PublishedObject),
    /// The newest object of a table, which is one of these.
    Latest(&'r RegistryName, Vec<&'r PublishedObject>),
}

/// Verifies these runs, or all with what is below `latest/`.
pub fn verify(
    files: &dyn PublishedFiles,
    registries: &[(RegistryName, PublishedRuns)],
    choices: &[RunChoice],
) -> Verification {
    let mut found = Verification::default();
    let mut examined = Vec::new();
    for (registry, runs) in registries {
        let is_chosen = |run: &PublishedRun| {
            choices.is_empty() || choices.iter().any(|choice| choice.of(runs).is_some_and(|chosen| chosen.id == run.id))
        };
        for run in runs.runs.iter().filter(|run| is_chosen(run)) {
            found.runs += 1;
            examined.extend(run.objects.iter().map(|object| Examined::Object(run, object)));
        }
        if choices.is_empty() {
            found.damage.extend(runs.unreadable.iter().cloned());
            examined.extend(latest(registry, runs, &mut found));
        }
    }
    for object in examined.iter().filter_map(|examined| match examined {
        Examined::Object(_, object) => Some(object),
        Examined::Latest(..) => None,
    }) {
        found.objects += 1;
        found.bytes += object.bytes;
    }
    for result in all(files, &examined) {
        match result {
            Ok(damage) => found.damage.extend(damage),
            Err(error) => found.unknown.push(error),
        }
    }
    found
}

/// What is below `latest/` of a registry, and whether the pointer leads somewhere.
fn latest<'r>(registry: &'r RegistryName, runs: &'r PublishedRuns, found: &mut Verification) -> Vec<Examined<'r>> {
    let newest = runs.runs.iter().rfind(|run| run.verdict.is_publishable());
    let pointed = runs.runs.iter().rfind(|run| Some(&run.id) == runs.latest.as_ref());
    match (newest, &runs.latest, pointed) {
        (Some(newest), None, _) => found.notes.push(format!(
            "registry {registry}: no pointer in `_latest` names a run, and {} is published; the next publish writes it",
            newest.id
        )),
        (_, Some(latest), None) => found.damage.push(Damage::new(
            format!("_latest of registry {registry}"),
            format!("it names {latest}, whose manifest is gone or cannot be read"),
        )),
        (Some(newest), Some(_), Some(pointed)) if newest.id > pointed.id => found.notes.push(format!(
            "registry {registry}: `_latest` names {}, and {} is published; the next publish moves it",
            pointed.id, newest.id
        )),
        _ => {}
    }
    let of_table = |table| {
        let object = |run: Option<&'r PublishedRun>| run.and_then(|run| run.object(table));
        let mut objects: Vec<_> = object(runs.newest_with(table)).into_iter().collect();
        objects.extend(object(pointed).filter(|object| !objects.contains(object)));
        (!objects.is_empty()).then_some(Examined::Latest(registry, objects))
    };
    Table::ALL.into_iter().filter_map(of_table).collect()
}

/// Examines all, on as many threads as there are processors. The results are in the order of `examined`.
fn all(files: &dyn PublishedFiles, examined: &[Examined<'_>]) -> Vec<Result<Option<Damage>, SinkError>> {
    let next = AtomicUsize::new(0);
    let readers = thread::available_parallelism().map_or(1, NonZero::get).min(READERS).min(examined.len());
    let read = || {
        let mut results = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = examined.get(at) else { return results };
            let result = match one {
                Examined::Object(run, object) => files.damage(&run.id, object),
                Examined::Latest(registry, any_of) => files.damage_of_latest(registry, any_of),
            };
            results.push((at, result));
        }
    };
    let mut results: Vec<_> = thread::scope(|scope| {
        let readers: Vec<_> = (0..readers).map(|_| scope.spawn(read)).collect();
        readers.into_iter().flat_map(|reader| reader.join().expect("a reader does not panic")).collect()
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
