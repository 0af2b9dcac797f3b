//! Five nights of a registry that changes, taken by the real program: what `docs/sql` and `stocktake snapshots` are tested on.

use std::net::Ipv4Addr;

use fake_registry::{FakeContents, FakeEndpoint, FakeRegistry, Holding, Misbehaviour, Script};
use serde_json::Value;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

use super::clock::Clock;
use super::program::Workplace;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A workplace with the nights, and what there is to know about them.
#[derive(Debug)]
pub(crate) struct Nights {
    pub(crate) place: Workplace,
    /// The UTC dates of the five nights: 30, 10, 2 and 1 days ago, and today.
    pub(crate) dates: Vec<String>,
    /// `run_id` of each.
    pub(crate) run_ids: Vec<String>,
}

/// How many days ago the nights were.
const DAYS_AGO: [i64; 5] = [30, 10, 2, 1, 0];

/// The repositories of a night with their tags.
fn night(number: usize) -> FakeContents {
    let api = move |app: &mut Holding| {
        let (first, second) = (app.image("linux/amd64", "api-1"), app.image("linux/amd64", "api-2"));
        if number < 4 {
            app.tag_as("1.0", &first);
        }
        app.tag_as("latest", if number == 0 { &first } else { &second });
        if number == 4 {
            app.tag_as("2.0", &second);
        }
    };
    let web = |app: &mut Holding| {
        let platforms = [app.image("linux/amd64", "web-amd64"), app.image("linux/arm64", "web-arm64")];
        let index = app.index(INDEX, &platforms);
        app.tag_as("1.0", &index);
    };
    let indexer = move |app: &mut Holding| {
        let image = app.image("linux/amd64", "indexer-1");
        app.tag_as("1.0", &image);
        if number >= 2 {
            app.tag_as("1.1", &image);
        }
    };
    let old = |app: &mut Holding| {
        let image = app.image("linux/amd64", "old");
        app.tag_as("1.0", &image);
    };
    let contents = FakeContents::uniform(1).with("payments/api", api).with("payments/web", web);
    contents.with("search/indexer", indexer).with("search/old", old)
}

/// The digest of an image of [`Holding::image`], found by storing it again.
pub(crate) fn digest_of(platform: &str, salt: &str) -> String {
    let mut digest = String::new();
    drop(FakeContents::uniform(1).with("a", |app| {
        digest = app.image(platform, salt)["digest"].as_str().unwrap().to_owned();
    }));
    digest
}

/// The digest of the tag `payments/web:1.0`.
pub(crate) fn digest_of_index() -> String {
    let mut digest = String::new();
    drop(FakeContents::uniform(1).with("a", |app| {
        let platforms = [app.image("linux/amd64", "web-amd64"), app.image("linux/arm64", "web-arm64")];
        digest = app.index(INDEX, &platforms)["digest"].as_str().unwrap().to_owned();
    }));
    digest
}

/// The registry as it is in that night: in the second one a repository is refused, from the third on one is gone, in the
/// fourth there is no catalog.
async fn registry(number: usize) -> FakeRegistry {
    let mut names = vec!["payments/api", "payments/web", "search/indexer"];
    if number < 2 {
        names.push("search/old");
    }
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let script = Script { contents: night(number), ..Script::open(names.as_slice()) };
    let script = script.with_faults(move |seen, _| {
        let denied = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
        let is_refused = seen.endpoint == FakeEndpoint::Tags && seen.path().contains("/search/indexer/");
        match number {
            1 if is_refused => Some(Misbehaviour::status(403).body(denied)),
            3 if seen.endpoint == FakeEndpoint::Catalog => Some(Misbehaviour::status(404).body("no")),
            _ => None,
        }
    });
    FakeRegistry::start(script).await.unwrap()
}

/// Takes all nights with these sinks, as lines of YAML.
pub(crate) async fn taken(sinks: &str) -> Nights {
    taken_in(Workplace::new(), sinks).await
}

/// The same in this workplace.
pub(crate) async fn taken_in(place: Workplace, sinks: &str) -> Nights {
    let clock = Clock::right(&place);
    let address = Address::open().await;
    place.configure(&configuration(sinks, &address.url));
    for (number, days) in DAYS_AGO.into_iter().enumerate() {
        let registry = registry(number).await;
        address.leads_to.send_replace(Some(registry.url()));
        clock.set(-days * 24 * 3600);
        let code = [0, 3, 0, 1, 0][number];
        place.run_with(&clock.environment(), &["run"]).await.exits(code);
    }
    let sink = sinks.trim_start().split(':').next().unwrap();
    let listed = place.run(&["snapshots", "list", "--format", "json", "--sink", sink]).await.exits(0);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let runs = listed["snapshots"].as_array().unwrap().iter().rev();
    let run_ids: Vec<_> = runs.map(|run| run["run_id"].as_str().unwrap().to_owned()).collect();
    let date = |id: &String| {
        let time = id.rsplit_once('-').unwrap().1;
        format!("{}-{}-{}", &time[..4], &time[4..6], &time[6..8])
    };
    Nights { dates: run_ids.iter().map(date).collect(), place, run_ids }
}

/// One address for all nights: a registry with another URL is another registry.
struct Address {
    url: Url,
    leads_to: watch::Sender<Option<Url>>,
    serving: JoinHandle<()>,
}

impl Address {
    async fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (leads_to, target) = watch::channel::<Option<Url>>(None);
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut here, _)) = listener.accept().await {
                let port = target.borrow().as_ref().and_then(Url::port).unwrap();
                connections.spawn(async move {
                    let mut there = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
                    // Either end may close without a word.
                    let _ = copy_bidirectional(&mut here, &mut there).await;
                });
            }
        });
        Self { url, leads_to, serving }
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn configuration(sinks: &str, url: &Url) -> String {
    format!("sinks:\n{sinks}\nregistries:\n  - name: quay\n    url: {url}\n    depth: manifests\n")
}
