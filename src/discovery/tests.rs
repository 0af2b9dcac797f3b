//! Discoveries against a scripted server that answers as their documentation shows.

mod logins;
mod owners;
mod refusals;
mod shapes;
mod shifting;

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use tempfile::NamedTempFile;

use super::*;
use crate::registry::Auth;
use crate::registry::Cursor;
use crate::registry::Page;
use crate::registry::PasswordLogin;
use crate::registry::RegistryError;
use crate::registry::RegistrySettings;
use crate::registry::SecretSource;
use crate::tests::secret_file;
use fake_registry::{FakeRegistry, Misbehaviour, Script, SeenRequest};

const SECRET: &str = "hunter2/Ü+%";

/// What is asked to see whether a login is alive. It is, unless a test says otherwise.
const PROOFS: [&str; 4] = [
    "/api/v1/repository?starred=true",
    "/api/v2.0/users/current",
    "/api/v4/personal_access_tokens/self",
    "/api/v1/user",
];

fn is_proof(target: &str) -> bool {
    PROOFS.iter().any(|proof| target.ends_with(proof))
}

/// A server, and a client that has never logged in to it.
struct DiscoveryRig {
    server: FakeRegistry,
    client: Client,
    secret: NamedTempFile,
}

/// A body that is answered with 200. `{base}` in it is the server's own address.
fn body(text: &str) -> Misbehaviour {
    Misbehaviour::status(200).body(text)
}

impl DiscoveryRig {
    /// Answers each target, a path with its query, in its own way; one that stands here several times, in turn, the
    /// last for ever; every other with 404, but for proofs of a living login.
    async fn new(answers: Vec<(&'static str, Misbehaviour)>) -> Self {
        let asked = std::sync::Mutex::new(Vec::<String>::new());
        let answer = move |seen: &SeenRequest, _| {
            let mut asked = asked.lock().expect("unpoisoned");
            let before = asked.iter().filter(|target| **target == seen.target).count();
            asked.push(seen.target.clone());
            let fitting: Vec<_> = answers.iter().filter(|(target, _)| *target == seen.target).collect();
            let Some((_, goes)) = fitting.get(before).or(fitting.last()) else {
                if is_proof(&seen.target) {
                    return Some(body("{}"));
                }
                return Some(Misbehaviour::status(404).body(r#"{"message":"404 Not ListAnswer"}"#));
            };
            Some(at_home(goes.clone(), seen.header("host").unwrap_or_default()))
        };
        Self::with(Script::open([]).with_faults(answer), |_| Auth::None).await
    }

    async fn with(script: Script, auth: impl FnOnce(SecretSource) -> Auth) -> Self {
        let server = FakeRegistry::start(script).await.expect("a port");
        let secret = secret_file(SECRET);
        let auth = auth(SecretSource::File(secret.path().to_owned()));
        let timeout = Duration::from_secs(5);
        let settings = RegistrySettings { auth, timeout, ..RegistrySettings::new("fake", server.url()) };
        let client = Client::new(settings).expect("a client");
        Self { server, client, secret }
    }

    fn source(&self) -> SecretSource {
        SecretSource::File(self.secret.path().to_owned())
    }

    fn login(&self) -> PasswordLogin {
        PasswordLogin { username: "acme".into(), password: self.source() }
    }

    fn bearer(&self) -> ApiSettings {
        ApiSettings { url: None, login: ApiLogin::Bearer(self.source()) }
    }

    fn quay(&self, namespaces: &[&str]) -> DiscoverySettings {
        DiscoverySettings::Quay { api: self.bearer(), namespaces: owned(namespaces) }
    }

    async fn walk(&self, settings: &DiscoverySettings) -> DiscoveredPages {
        self.walk_from(settings, None).await
    }

    async fn walk_from(&self, settings: &DiscoverySettings, from: Option<&Cursor>) -> DiscoveredPages {
        let discovery = of(settings, &self.client);
        collected(discovery.pages(from)).await
    }

    /// All names; the walk is to end well.
    async fn names(&self, settings: &DiscoverySettings) -> Vec<String> {
        let walked = self.walk(settings).await;
        assert!(walked.error.is_none(), "{:?}", walked.error);
        let lasts: Vec<_> = walked.pages.iter().map(|page| page.last).collect();
        assert_eq!(lasts.iter().position(|last| *last), Some(lasts.len() - 1), "the last page alone is the last");
        assert!(walked.pages.iter().zip(1..).all(|(page, number)| page.number == number));
        walked.names()
    }

    async fn error(&self, settings: &DiscoverySettings) -> RegistryError {
        self.walk(settings).await.error.expect("an error")
    }

    /// What was asked, in order, but for proofs of a living login.
    fn targets(&self) -> Vec<String> {
        self.all_targets().into_iter().filter(|target| !is_proof(target)).collect()
    }

    /// All that was asked, in order.
    fn all_targets(&self) -> Vec<String> {
        self.server.requests().into_iter().map(|seen| seen.target).collect()
    }

    /// What the walk says may be missing: codes and messages.
    async fn shortfalls(&self, settings: &DiscoverySettings) -> Vec<(&'static str, String)> {
        let walked = self.walk(settings).await;
        assert!(walked.error.is_none(), "{:?}", walked.error);
        shortfalls_of(&walked)
    }

    fn authorizations(&self) -> Vec<String> {
        let text = |seen: &SeenRequest| {
            let value = seen.headers.get("authorization").map(|value| value.as_bytes().to_vec()).unwrap_or_default();
            String::from_utf8(value).expect("UTF-8")
        };
        let requests = self.server.requests();
        requests.iter().filter(|seen| !is_proof(&seen.target)).map(text).collect()
    }
}

fn at_home(mut goes: Misbehaviour, host: &str) -> Misbehaviour {
    let base = format!("http://{host}");
    if let Misbehaviour::Respond { headers, body, .. } = &mut goes {
        *body = String::from_utf8_lossy(body).replace("{base}", &base).into_bytes();
        for (_, value) in headers {
            *value = value.replace("{base}", &base);
        }
    }
    goes
}

/// What a stream of pages gave.
struct DiscoveredPages {
    pages: Vec<Page>,
    error: Option<RegistryError>,
}

impl DiscoveredPages {
    fn names(&self) -> Vec<String> {
        self.pages.iter().flat_map(|page| page.names.iter()).map(str::to_owned).collect()
    }
}

async fn collected(mut stream: BoxStream<'_, Result<Page, RegistryError>>) -> DiscoveredPages {
    let mut walked = DiscoveredPages { pages: Vec::new(), error: None };
    while let Some(page) = stream.next().await {
        assert!(walked.error.is_none(), "nothing follows an error");
        match page {
            Ok(page) => walked.pages.push(page),
            Err(error) => walked.error = Some(error),
        }
    }
    walked
}

fn shortfalls_of(walked: &DiscoveredPages) -> Vec<(&'static str, String)> {
    let shortfalls = walked.pages.iter().flat_map(|page| &page.shortfalls);
    shortfalls.map(|shortfall| (shortfall.code, shortfall.message.clone())).collect()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test]
async fn a_list_is_one_page_and_no_request() {
    let rig = DiscoveryRig::new(Vec::new()).await;
    assert_eq!(rig.names(&DiscoverySettings::Listed(owned(&["a/b", "c"]))).await, ["a/b", "c"]);
    assert!(rig.targets().is_empty());
}

#[tokio::test]
async fn the_catalog_is_a_discovery_too() {
    let rig = DiscoveryRig::with(Script::open(owned(&["a", "b"]).as_slice()), |_| Auth::None).await;
    assert_eq!(rig.names(&DiscoverySettings::Catalog).await, ["a", "b"]);
}
