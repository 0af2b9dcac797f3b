//! A registry that goes wrong and is well again at one address, an installation that walks it, and what to compare.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, Mutex};

use fake_registry::{FakeContents, FakeEndpoint, FakeRegistry, Misbehaviour, RepositoryNames, Script, SeenRequest};
use serde_json::Value;
use stocktake_sink::Table;
use tokio::sync::Notify;

use super::inventory::{manifests, table_of};
use super::program::{Finished, Workplace, one_registry};

/// Requests in flight at once.
pub(crate) const WIDTH: usize = 4;
/// Names a page.
pub(crate) const PAGE: usize = 10;
/// Names in all.
pub(crate) const NAMES: usize = 200;

type ChooseMisbehaviour = Box<dyn FnMut(&SeenRequest) -> Option<Misbehaviour> + Send>;

/// A registry that misbehaves and behaves again, always at the same address, since another one would be another
/// configuration; and an installation that walks it.
pub(crate) struct Stage {
    pub(crate) registry: FakeRegistry,
    pub(crate) place: Workplace,
    choose: Arc<Mutex<ChooseMisbehaviour>>,
    pub(crate) yaml: String,
}

/// What the catalog lists.
pub(crate) fn names() -> RepositoryNames {
    RepositoryNames::generated(NAMES, 7)
}

/// Two tags in each of them, and one repository that is not listed.
pub(crate) fn script() -> Script {
    let contents = FakeContents::uniform(2).with("hidden/one", |held| {
        let image = held.image("linux/amd64", "hidden");
        held.tag_as("v1", &image);
    });
    Script { contents, ..Script::open(names()) }
}

impl Stage {
    /// The lines stand below the registry.
    pub(crate) async fn new(script: Script, lines: &str) -> Self {
        let choose: Arc<Mutex<ChooseMisbehaviour>> = Arc::new(Mutex::new(Box::new(|_| None)));
        let chosen = choose.clone();
        let script = script.with_faults(move |seen, _| chosen.lock().unwrap()(seen));
        let registry = FakeRegistry::start(script).await.unwrap();
        let usual = format!("    page_size: {PAGE}\n    concurrency: {WIDTH}\n");
        let login = if lines.contains("auth:") { "" } else { "    auth: {type: none}\n" };
        let yaml = one_registry(&registry.url(), &format!("{login}{usual}{lines}"));
        let place = Workplace::with(&yaml);
        Self { registry, place, choose, yaml }
    }

    /// Requests go wrong as this function says.
    pub(crate) fn misbehave(&self, choose: impl FnMut(&SeenRequest) -> Option<Misbehaviour> + Send + 'static) {
        *self.choose.lock().unwrap() = Box::new(choose);
    }

    /// All is well again.
    pub(crate) fn behave(&self) {
        self.misbehave(|_| None);
    }

    /// All requests to this endpoint but the first of them hang. Gives word when one does.
    pub(crate) fn hang_after(&self, endpoint: FakeEndpoint, answered: usize) -> Arc<Notify> {
        let (stuck, mut count) = (Arc::new(Notify::new()), 0);
        let hangs = stuck.clone();
        self.misbehave(move |seen| {
            count += usize::from(seen.endpoint == endpoint);
            (seen.endpoint == endpoint && count > answered).then(|| {
                stuck.notify_one();
                Misbehaviour::Hang
            })
        });
        hangs
    }

    /// Starts a run and stops it where the registry hangs; afterwards the registry is well again. Returns what was asked.
    pub(crate) async fn stop_at(&self, endpoint: FakeEndpoint, answered: usize) -> (Finished, Vec<SeenRequest>) {
        let stuck = self.hang_after(endpoint, answered);
        let before = self.registry.requests().len();
        let running = self.place.start(&["run"]);
        stuck.notified().await;
        running.signal("TERM").await;
        let ended = running.end().await.exits(130);
        self.behave();
        (ended, self.registry.requests().split_off(before))
    }

    /// Runs to the end; returns what was asked.
    pub(crate) async fn run(&self) -> (Finished, Vec<SeenRequest>) {
        let before = self.registry.requests().len();
        let ended = self.place.run(&["run"]).await;
        (ended, self.registry.requests().split_off(before))
    }

    /// What an undisturbed walk finds.
    pub(crate) async fn undisturbed(&self) -> BTreeMap<&'static str, Vec<Value>> {
        let place = Workplace::with(&self.yaml);
        place.run(&["run"]).await.exits(0);
        content(&place)
    }

    /// Asserts that nothing of a walk remains.
    pub(crate) fn assert_nothing_left(&self) {
        let left = self.place.tree("state/quay");
        assert!(!left.keys().any(|name| name.starts_with("walk")), "{:?}", left.keys());
    }

    /// The checkpoint, if there is one.
    pub(crate) fn checkpoint(&self) -> Option<Value> {
        let json = fs::read(self.place.path("state/quay/walk/checkpoint.json")).ok()?;
        Some(serde_json::from_slice(&json).unwrap())
    }

    /// Changes the note of the checkpoint.
    pub(crate) fn change_checkpoint(&self, change: impl FnOnce(&mut Value)) {
        let mut checkpoint = self.checkpoint().expect("a checkpoint");
        change(&mut checkpoint["note"]);
        fs::write(self.place.path("state/quay/walk/checkpoint.json"), checkpoint.to_string()).unwrap();
    }
}

/// All rows of the newest inventory, without what differs from run to run.
pub(crate) fn content(place: &Workplace) -> BTreeMap<&'static str, Vec<Value>> {
    let root = place.path("inventory");
    content_of(place, manifests(&root, "quay").last().unwrap())
}

/// The same of the run that this manifest is of.
pub(crate) fn content_of(place: &Workplace, manifest: &Value) -> BTreeMap<&'static str, Vec<Value>> {
    let root = place.path("inventory");
    let objects = manifest["objects"].as_array().unwrap();
    let is_there = |table: &Table| objects.iter().any(|object| object["table"] == table.as_str());
    let tables = [Table::Repositories, Table::Tags, Table::Manifests].into_iter().filter(is_there);
    let rows = |name: &'static str| {
        let mut rows = table_of(&root, manifest, name);
        for row in &mut rows {
            row.as_object_mut().unwrap().retain(|column, _| !["run_id", "observed_at"].contains(&column.as_str()));
        }
        rows
    };
    tables.map(|table| (table.as_str(), rows(table.as_str()))).collect()
}

/// The requests to one endpoint.
pub(crate) fn targets(requests: &[SeenRequest], endpoint: FakeEndpoint) -> Vec<&SeenRequest> {
    requests.iter().filter(|request| request.endpoint == endpoint).collect()
}

/// Requests of `second` that `first` had an answer to.
pub(crate) fn asked_again<'a>(
    first: &[SeenRequest],
    second: &'a [SeenRequest],
    endpoint: FakeEndpoint,
) -> Vec<&'a str> {
    let answered: BTreeSet<_> =
        targets(first, endpoint).into_iter().filter(|request| request.status.is_some()).map(|r| &r.target).collect();
    let again = targets(second, endpoint).into_iter().filter(|request| answered.contains(&request.target));
    again.map(|request| request.target.as_str()).collect()
}
