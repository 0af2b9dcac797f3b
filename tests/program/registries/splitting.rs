//! One catalog on several connections, against Debian's docker-registry.

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroUsize};

use futures::StreamExt as _;

use fake_registry::RepositoryNames;
use stocktake::registry::Auth;
use stocktake::registry::Client;
use stocktake::registry::Page;
use stocktake::registry::RegistrySettings;
use stocktake::registry::Split;

use crate::support::docker_registry::{DockerRegistry, Mode};

const SIZE: u32 = 50;

fn client(registry: &DockerRegistry, split: Split) -> Client {
    Client::new(RegistrySettings {
        auth: Auth::None,
        split,
        page_size: NonZeroU32::new(SIZE).expect("not zero"),
        concurrency: NonZeroUsize::new(8).expect("not zero"),
        ..RegistrySettings::new("docker", registry.url())
    })
    .expect("a client")
}

async fn pages(client: &Client, from: Option<&Page>) -> Vec<Page> {
    let cursor = from.and_then(|page| page.cursor.as_ref());
    let pages: Vec<_> = client.catalog(cursor).collect().await;
    pages.into_iter().map(|page| page.expect("a page")).collect()
}

/// Names beside each other that byte order and path order see differently, at every depth.
fn names() -> RepositoryNames {
    let generated = RepositoryNames::generated(2500, 23);
    let mut names: BTreeSet<String> = generated.iter().map(str::to_owned).collect();
    for name in generated.iter().step_by(9) {
        let stem = name.split_once('/').map_or(name, |(team, _)| team);
        names.extend([
            format!("{stem}-x/{}", names.len()),
            format!("{stem}.y"),
            format!("{name}/a/b"),
            format!("{name}-c"),
        ]);
    }
    names.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn every_name_comes_once_from_all_ranges_and_from_any_cursor() {
    let names = names();
    let registry = DockerRegistry::start(Mode::Open, names.iter()).await;
    let splitting = client(&registry, Split::Always);
    let whole = pages(&splitting, None).await;
    assert!(whole.iter().any(|page| page.proven_new), "the walk was split");
    let mut listed: Vec<&str> = whole.iter().flat_map(|page| page.names.iter()).collect();
    listed.sort_unstable();
    assert!(listed.iter().copied().eq(names.iter()), "{} of {}", listed.len(), names.len());
    let asked = splitting.stats().requests;
    let plain = names.len() as u64 / u64::from(SIZE);
    assert!(asked <= plain * 5 / 4 + 20, "{asked} requests for {plain} pages");

    for taken in [1, whole.len() / 3, whole.len() - 1] {
        let rest = pages(&client(&registry, Split::Auto), Some(&whole[taken - 1])).await;
        let all: BTreeSet<&str> = whole[..taken].iter().chain(&rest).flat_map(|page| page.names.iter()).collect();
        assert!(all.into_iter().eq(names.iter()), "from page {taken}");
    }
}
