//! Complete flows against the scripted registry.

mod contents;
mod discovery;
mod encrypted;
mod failures;
mod full_pages;
mod heads;
mod hostile;
mod hostile_contents;
mod kinds;
mod limits;
mod logins;
mod metering;
mod not_found;
mod page_sizes;
mod paging;
mod public_names;
mod redirects;
mod repository_tokens;
mod secrecy;
mod splitting;
mod tls_servers;
mod token_service;
mod tokens;
mod trust;

use std::io::Write;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use fake_registry::{FakeRegistry, PASSWORD, Script, USERNAME};
use futures::StreamExt;
use futures::stream::BoxStream;
use tempfile::NamedTempFile;

use super::*;
use crate::http::retry::RetryPolicy;
use crate::paging::loop_guard::ListBounds;
use crate::tests::metering::Recorder;

/// Quick enough for a real socket: four attempts, pauses of milliseconds.
const QUICK: RetryPolicy = RetryPolicy {
    attempts: 4,
    base: Duration::from_millis(4),
    longest: Duration::from_millis(20),
    longest_asked: Duration::from_millis(300),
    give_up_after: Duration::from_millis(100),
};

/// A secret in a temporary file.
pub(crate) fn secret_file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn login(file: &NamedTempFile) -> PasswordLogin {
    PasswordLogin { username: USERNAME.into(), password: SecretSource::File(file.path().to_owned()) }
}

pub(crate) fn settings(url: url::Url, auth: Auth) -> RegistrySettings {
    RegistrySettings {
        auth,
        concurrency: NonZeroUsize::new(4).expect("not zero"),
        timeout: Duration::from_secs(5),
        ..RegistrySettings::new("fake", url)
    }
}

/// A server, and a client that logs in to it.
struct Rig {
    server: FakeRegistry,
    client: Client,
    secret: NamedTempFile,
    meter: Arc<Recorder>,
}

impl Rig {
    async fn new(script: Script) -> Self {
        Self::with(script, |_| {}).await
    }

    async fn with(script: Script, change: impl FnOnce(&mut RegistrySettings)) -> Self {
        Self::bounded(script, ListBounds::default(), change).await
    }

    async fn bounded(script: Script, bounds: ListBounds, change: impl FnOnce(&mut RegistrySettings)) -> Self {
        let server = FakeRegistry::start(script).await.expect("a port");
        let secret = secret_file(PASSWORD);
        let mut settings = settings(server.url(), Auth::Token(Some(login(&secret))));
        change(&mut settings);
        let meter = Arc::<Recorder>::default();
        let client = Client::build(settings, QUICK, bounds, meter.clone()).expect("a client");
        Self { server, client, secret, meter }
    }

    async fn walk(&self) -> Walked {
        walk(&self.client).await
    }

    /// All names; the walk must succeed.
    async fn names(&self) -> Vec<String> {
        let walked = self.walk().await;
        assert!(walked.error.is_none(), "{:?}", walked.error);
        assert!(walked.pages.last().is_some_and(|page| page.last));
        walked.names()
    }

    /// The error with which the walk must end.
    async fn error(&self) -> RegistryError {
        let walked = self.walk().await;
        walked.error.unwrap_or_else(|| panic!("{} pages and no error", walked.pages.len()))
    }
}

pub(crate) struct Walked {
    pub(crate) pages: Vec<Page>,
    pub(crate) error: Option<RegistryError>,
}

impl Walked {
    pub(crate) fn names(&self) -> Vec<String> {
        self.pages.iter().flat_map(|page| page.names.iter()).map(str::to_owned).collect()
    }
}

async fn walk(client: &Client) -> Walked {
    collected(client.catalog(None)).await
}

/// All pages of a stream.
pub(crate) async fn collected(mut stream: BoxStream<'_, Result<Page, RegistryError>>) -> Walked {
    let mut walked = Walked { pages: Vec::new(), error: None };
    while let Some(page) = stream.next().await {
        assert!(walked.error.is_none(), "nothing follows an error");
        match page {
            Ok(page) => walked.pages.push(page),
            Err(error) => walked.error = Some(error),
        }
    }
    walked
}

/// Names in the order in which they are given.
fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("team/app-{number:06}")).collect()
}
