//! Ten nights of a changing docker-registry behind everything that fails, and every published row compared with the
//! truth. What a night publishes may be less than there is, if it says so; it is never wrong.
//!
//! A seed makes a series; the same seed gives the same changes and faults, though not the same order of requests. The
//! long form: `NIGHTS_SERIES=20 cargo nextest run --run-ignored only -E 'test(two_hundred_nights)'`; `NIGHTS_SEED` begins
//! with another seed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fake_registry::{OCI_IMAGE, OCI_INDEX};
use fastrand::Rng;
use serde_json::Value;

use crate::support::docker_registry::{DockerRegistry, Mode};
use crate::support::faulty_proxy::{FaultyProxy, ProxyFault, Weather};
use crate::support::held::{expected_manifest, expected_tag, reachable, told};
use crate::support::inventory::{latest, manifests};
use crate::support::program::{LOGIN, Workplace};
use crate::support::push::{Pushed, Pusher};
use crate::support::small_disk::SmallDisk;

/// Repositories on the first night, and names that the registry lists and does not have (`NAME_UNKNOWN`).
const REPOSITORIES: usize = 24;
const UNKNOWN: [&str; 2] = ["team-0/never-pushed", "team-9/never-pushed"];
/// Of the disk for state and inventory.
const KILOBYTES: usize = 24 * 1024;

/// A registry, its truth, and an installation that takes its inventory.
struct Series {
    rng: Rng,
    registry: DockerRegistry,
    proxy: FaultyProxy,
    truth: Pushed,
    /// Manifests that the registry had once, by digest.
    lost: BTreeSet<String>,
    place: Workplace,
    disk: SmallDisk,
    /// Run ids that were published and compared.
    published: BTreeSet<String>,
    tally: Tally,
}

/// What happened, so that a series in which nothing happened is noticed.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    runs: usize,
    complete: usize,
    gaps: usize,
    unpublished: usize,
    killed: usize,
}

impl Series {
    async fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let registry = DockerRegistry::start(Mode::Token { lifetime: Duration::from_secs(3) }, UNKNOWN).await;
        let mut truth = Pushed::new();
        for number in 0..REPOSITORIES {
            push_one(&registry, &mut rng, &mut truth, format!("team-{}/app-{number:03}", number % 5)).await;
        }
        let proxy = FaultyProxy::start(&registry).await;
        let place = Workplace::new();
        place.secret("password", registry.password());
        let disk = SmallDisk::mount(&place.path("disk"), KILOBYTES);
        let login = LOGIN.replace("acme+inventory", registry.username());
        place.configure(&format!(
            "state: ./disk/state\nsinks:\n  warehouse: {{type: parquet, url: ./disk/inventory}}\nregistries:\n  - name: \
             quay\n    url: {}\n{login}    depth: manifests\n    page_size: 7\n    timeout: 5s\n",
            proxy.url()
        ));
        let (lost, published) = (BTreeSet::new(), BTreeSet::new());
        Self { rng, registry, proxy, truth, lost, place, disk, published, tally: Tally::default() }
    }

    fn inventory(&self) -> PathBuf {
        self.disk.seen(&self.place.path("disk/inventory"))
    }

    /// Pushes, moves, deletes and loses a few things.
    async fn change(&mut self) {
        let name = |rng: &mut Rng, truth: &Pushed| truth.keys().nth(rng.usize(..truth.len())).expect("names").clone();
        for _ in 0..self.rng.usize(1..4) {
            let repository = name(&mut self.rng, &self.truth);
            let held = self.truth.get_mut(&repository).expect("it is there");
            match self.rng.u8(..6) {
                0 => {
                    let number = self.rng.u32(..);
                    push_one(&self.registry, &mut self.rng, &mut self.truth, format!("team-7/new-{number:08x}")).await;
                }
                // A tag is moved, or a new one appears.
                1..=3 => {
                    let mut pusher = Pusher::new(&self.registry, &repository);
                    pusher.held = std::mem::take(held);
                    let image = pusher.image(OCI_IMAGE, "linux/amd64", &self.rng.u64(..).to_string()).await;
                    pusher.tag(["v1", "latest", "nightly"][self.rng.usize(..3)], &image).await;
                    *held = pusher.held;
                }
                // A manifest is deleted with its tags.
                4 => {
                    let gone = held.tags.values().next().and_then(|digest| held.manifests.get(digest)).cloned();
                    if let Some(gone) = gone {
                        let mut pusher = Pusher::new(&self.registry, &repository);
                        pusher.held = std::mem::take(held);
                        pusher.delete(&gone).await;
                        self.lost.insert(gone.digest);
                        *held = pusher.held;
                    }
                }
                // The registry loses a manifest that tags go on naming.
                _ => {
                    let lost =
                        held.tags.values().next_back().filter(|digest| held.manifests.contains_key(*digest)).cloned();
                    if let Some(lost) = lost {
                        self.registry.lose_manifest(&repository, &lost);
                        held.manifests.remove(&lost);
                        self.lost.insert(lost);
                    }
                }
            }
        }
    }

    /// One night: the registry has changed, the weather is what it is, and the program may be killed or meet a full disk.
    async fn night(&mut self, weather: Weather) {
        self.change().await;
        self.proxy.set(weather);
        let disk_is_full = self.rng.u8(..5) == 0;
        if disk_is_full {
            self.disk.fill(self.rng.usize(..40));
        }
        if self.rng.u8(..3) == 0 {
            let requests = self.rng.usize(1..160);
            self.run(Some(requests)).await;
        }
        self.run(None).await;
        if disk_is_full {
            self.disk.make_room();
            self.run(None).await;
        }
    }

    /// Runs the program, to its end or until it is killed, and compares what it has published since.
    async fn run(&mut self, kill_after: Option<usize>) {
        self.tally.runs += 1;
        let mut command = Command::new(env!("CARGO_BIN_EXE_stocktake"));
        command.args(["--config", "stocktake.yaml", "run"]).current_dir(self.place.path("."));
        command.env("NO_PROXY", "127.0.0.1").env_remove("RUST_LOG");
        let mut command = tokio::process::Command::from(self.disk.enter(&command));
        let mut process = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().expect("the program starts");
        if let Some(requests) = kill_after {
            tokio::select! {
                () = self.proxy.has_served(requests) => drop(process.start_kill()),
                _ = process.wait() => {}
            }
        }
        let ended = process.wait_with_output().await.expect("it is our child");
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(!told.contains("panicked"), "{told}");
        let new = self.compare(&told);
        match (ended.status.code(), new.as_deref()) {
            (None, _) => self.tally.killed += 1,
            (Some(0), Some("complete")) => self.tally.complete += 1,
            (Some(3 | 4), Some("gaps")) => self.tally.gaps += 1,
            // A sink may have got the snapshot though the run then failed on the disk.
            (Some(1 | 3 | 4), _) => self.tally.unpublished += 1,
            (code, new) => panic!("exit code {code:?}, {new:?} was published\n{told}"),
        }
    }

    /// Compares what was published since the last time with the truth; gives its verdict.
    fn compare(&mut self, told: &str) -> Option<String> {
        let root = self.inventory();
        let newest = latest(&root, "quay")?;
        let id = newest["run_id"].as_str().expect("a name").to_owned();
        if !self.published.insert(id.clone()) {
            return None;
        }
        let all = manifests(&root, "quay");
        let manifest = all.iter().find(|manifest| manifest["run_id"] == *id).expect("latest names a manifest");
        let verdict = manifest["verdict"].as_str().expect("text").to_owned();
        assert!(["complete", "gaps"].contains(&&*verdict), "{verdict}");
        let wrong = wrong_rows(&root, &self.truth, &self.lost, &verdict);
        assert_eq!(wrong, Vec::<String>::new(), "{id} {verdict}\n{told}");
        Some(verdict)
    }
}

/// Every row of the newest inventory that is not so, and every one that is missing without a word.
///
/// A child of an index that an earlier night has read is not asked for again, so its row stays when the registry loses it.
fn wrong_rows(root: &Path, truth: &Pushed, lost: &BTreeSet<String>, verdict: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let text = |row: &Value, column: &str| row[column].as_str().unwrap_or_default().to_owned();
    let mut tags: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for row in told(root, "tags") {
        tags.entry(text(&row, "repository")).or_default().push(row);
    }
    let mut of_manifests: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for row in told(root, "manifests") {
        of_manifests.entry(text(&row, "repository")).or_default().push(row);
    }
    let rows = told(root, "repositories");
    let names: Vec<String> = rows.iter().map(|row| text(row, "repository")).collect();
    let expected: BTreeSet<&str> = truth.keys().map(String::as_str).chain(UNKNOWN).collect();
    if !names.iter().map(String::as_str).eq(expected) {
        wrong.push(format!("the list of names is not the registry's: {names:?}"));
    }
    for row in &rows {
        let name = text(row, "repository");
        let state = text(row, "state");
        let (tags, of_manifests) =
            (tags.remove(&name).unwrap_or_default(), of_manifests.remove(&name).unwrap_or_default());
        let Some(held) = truth.get(&name) else {
            let is_known = UNKNOWN.contains(&&*name) && tags.is_empty() && of_manifests.is_empty();
            if !is_known || state == "complete" || (state != "gone" && verdict == "complete") {
                wrong.push(format!("{row}, {} tags", tags.len()));
            }
            continue;
        };
        let children: BTreeSet<&str> = held
            .manifests
            .values()
            .flat_map(|index| index.children.iter().map(|child| child.descriptor.digest.as_str()))
            .filter(|child| lost.contains(*child))
            .collect();
        let is_lost = |row: &Value| children.contains(row["digest"].as_str().unwrap_or_default());
        let of_manifests: Vec<Value> = of_manifests.into_iter().filter(|row| !is_lost(row)).collect();
        let true_tags: Vec<Value> =
            held.tags.iter().map(|(tag, digest)| expected_tag(&name, held, tag, digest)).collect();
        let true_manifests: Vec<Value> =
            reachable(held).iter().map(|digest| expected_manifest(&name, held, &held.manifests[*digest])).collect();
        match &*state {
            "complete" => {
                if row["tag_count"] != tags.len() || tags != true_tags || of_manifests != true_manifests {
                    let (tags, manifests) = (differing(&tags, &true_tags), differing(&of_manifests, &true_manifests));
                    wrong.push(format!("{name} is complete; tags: {tags}; manifests: {manifests}"));
                }
            }
            "error" | "denied" if verdict == "gaps" => {
                let bare = |tag: &Value| serde_json::json!({"repository": tag["repository"], "tag": tag["tag"]});
                let is_true = |(said, truth): (&Value, &Value)| said == truth || *said == bare(truth);
                let all_tags = tags.len() == true_tags.len() && tags.iter().zip(&true_tags).all(is_true);
                if !(tags.is_empty() || all_tags) || !of_manifests.iter().all(|one| is_part(one, &true_manifests)) {
                    wrong.push(format!("{row}: {}; {of_manifests:?}", differing(&tags, &true_tags)));
                }
            }
            _ => wrong.push(format!("{row}: it is there, with {} tags", true_tags.len())),
        }
    }
    wrong
        .extend(tags.into_values().chain(of_manifests.into_values()).map(|rows| format!("of no repository: {rows:?}")));
    wrong
}

/// The rows that only one of two lists has.
fn differing(said: &[Value], truth: &[Value]) -> String {
    let only = |these: &[Value], those: &[Value]| -> Vec<String> {
        these.iter().filter(|row| !those.contains(row)).map(Value::to_string).collect()
    };
    format!("wrong {:?}, missing {:?}", only(said, truth), only(truth, said))
}

/// Whether a row is one of these, or says less: an image's configuration that could not be read leaves its platform out.
fn is_part(row: &Value, truth: &[Value]) -> bool {
    let row = row.as_object().expect("a row");
    truth.iter().any(|whole| row.iter().all(|(column, value)| whole[column] == *value))
}

async fn push_one(registry: &DockerRegistry, rng: &mut Rng, truth: &mut Pushed, name: String) {
    let mut pusher = Pusher::new(registry, &name);
    let image = pusher.image(OCI_IMAGE, "linux/amd64", &rng.u64(..).to_string()).await;
    pusher.tag("v1", &image).await;
    if rng.u8(..3) == 0 {
        let other = pusher.image(OCI_IMAGE, "linux/arm64/v8", &rng.u64(..).to_string()).await;
        let index = pusher.index(OCI_INDEX, &[image, other]).await;
        pusher.tag("latest", &index).await;
    }
    truth.insert(name, pusher.held);
}

/// The weather of a night: mostly a little of everything, at times much of one thing, or something that lasts. There is
/// little of 429 at any time: a client that is told it at random learns to ask ever more slowly, as is right.
fn weather(rng: &mut Rng) -> Weather {
    let share = |fault| if fault == ProxyFault::RateLimited { 0.002 } else { 0.02 };
    let mut passing: Vec<_> = ProxyFault::ALL.iter().map(|fault| (*fault, share(*fault))).collect();
    let mut lasting = Vec::new();
    let others: Vec<ProxyFault> =
        ProxyFault::ALL.into_iter().filter(|fault| *fault != ProxyFault::RateLimited).collect();
    let fault = others[rng.usize(..others.len())];
    match rng.u8(..4) {
        0 => {}
        1 | 2 => passing.insert(0, (fault, 0.2)),
        _ => lasting.push((fault, 0.03)),
    }
    Weather { seed: rng.u64(..), passing, lasting }
}

async fn series(seed: u64, nights: usize) -> Tally {
    let mut series = Series::new(seed).await;
    series.run(None).await;
    assert_eq!(series.tally.complete, 1, "seed {seed}: the first night is fair");
    for _ in 1..nights {
        let weather = weather(&mut series.rng);
        series.night(weather).await;
    }
    series.proxy.set(Weather::default());
    let before = series.tally.complete;
    series.run(None).await;
    assert!(series.tally.complete > before, "seed {seed}: the last night is fair {:?}", series.tally);
    series.tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_nights_of_faults_publish_nothing_wrong() {
    let tally = series(7, 10).await;
    assert!(tally.complete + tally.gaps >= 5, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a quarter of an hour"]
#[allow(clippy::print_stderr)] // what was tried
async fn two_hundred_nights_of_faults_publish_nothing_wrong() {
    let setting = |name: &str, default| std::env::var(name).map_or(default, |value| value.parse().expect("a number"));
    let (first, count) = (setting("NIGHTS_SEED", 1_000), setting("NIGHTS_SERIES", 20));
    for seed in first..first + count {
        let tally = series(seed, 10).await;
        eprintln!("seed {seed}: {tally:?}");
    }
}
