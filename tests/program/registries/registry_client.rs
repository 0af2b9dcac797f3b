//! The registry client against Debian's docker-registry: open, with htpasswd, with tokens that end in mid-walk.

use std::io::Write as _;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use futures::StreamExt as _;
use tempfile::NamedTempFile;

use fake_registry::RepositoryNames;
use stocktake::registry::Auth;
use stocktake::registry::Client;
use stocktake::registry::Contents as _;
use stocktake::registry::Fault;
use stocktake::registry::PasswordLogin;
use stocktake::registry::RegistryError;
use stocktake::registry::RegistrySettings;
use stocktake::registry::RepositoryRef;
use stocktake::registry::SecretSource;
use stocktake::registry::Stats;

use crate::support::docker_registry::{DockerRegistry, Mode};
use crate::support::push;

fn client(registry: &DockerRegistry, password: &NamedTempFile, page_size: u32) -> Client {
    let password = SecretSource::File(password.path().to_owned());
    let login = PasswordLogin { username: registry.username().to_owned(), password };
    Client::new(RegistrySettings {
        auth: Auth::Token(Some(login)),
        page_size: NonZeroU32::new(page_size).expect("not zero"),
        concurrency: NonZeroUsize::MIN,
        ..RegistrySettings::new("docker", registry.url())
    })
    .expect("a client")
}

fn password(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

async fn walk(client: &Client) -> Result<Vec<String>, RegistryError> {
    let (mut names, mut pages) = (Vec::new(), client.catalog(None));
    while let Some(page) = pages.next().await {
        names.extend(page?.names.iter().map(str::to_owned));
    }
    Ok(names)
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names
}

#[tokio::test]
async fn every_name_once_however_it_is_guarded() {
    let names = RepositoryNames::generated(3000, 7);
    let want: Vec<String> = names.iter().map(str::to_owned).collect();
    let minutes = Duration::from_mins(5);
    for (mode, requests, token_requests) in [
        // Ping; one page to learn that no login is asked for; then the pages, of which the last is full: what follows its
        // last name is asked for.
        (Mode::Open, 2 + 3 + 1, 0),
        (Mode::Htpasswd, 1 + 3 + 1, 0),
        (Mode::Token { lifetime: minutes }, 2 + 3 + 1, 1),
    ] {
        let name = format!("{mode:?}");
        let registry = DockerRegistry::start(mode, names.iter()).await;
        let password = password(registry.password());
        let client = client(&registry, &password, 1000);
        let listed = walk(&client).await.unwrap_or_else(|error| panic!("{name}: {error:?}\n{}", registry.log()));
        assert_eq!(sorted(listed), want, "{name}");
        let requests = requests + token_requests;
        assert_eq!(
            client.stats(),
            Stats { pages: 3, requests, retries: 0, token_requests, ..Stats::default() },
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_page_size_over_the_registrys_maximum_is_stepped_down() {
    let registry = DockerRegistry::start(Mode::Open, ["acme/app", "acme/web"]).await;
    let password = password(registry.password());
    assert_eq!(walk(&client(&registry, &password, 5000)).await.expect("pages"), ["acme/app", "acme/web"]);
}

#[tokio::test]
async fn tokens_that_end_in_mid_walk_are_renewed() {
    let names = RepositoryNames::generated(1500, 7);
    let want: Vec<String> = names.iter().map(str::to_owned).collect();
    let registry = DockerRegistry::start(Mode::StrictToken { lifetime: Duration::from_secs(2) }, names.iter()).await;
    let password = password(registry.password());
    let client = client(&registry, &password, 100);
    let (mut listed, mut pages) = (Vec::new(), client.catalog(None));
    while let Some(page) = pages.next().await {
        let page = page.unwrap_or_else(|error| panic!("{error:?}\n{}", registry.log()));
        listed.extend(page.names.iter().map(str::to_owned));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(sorted(listed), want);
    assert!(registry.tokens_issued() >= 2, "{}", registry.tokens_issued());
}

#[tokio::test]
async fn a_wrong_password_is_refused_once() {
    for mode in [Mode::Htpasswd, Mode::Token { lifetime: Duration::from_mins(5) }] {
        let registry = DockerRegistry::start(mode, ["acme/app"]).await;
        let wrong = password("wrong");
        let client = client(&registry, &wrong, 1000);
        for _ in 0..2 {
            assert_eq!(walk(&client).await.expect_err("refused").fault(), Fault::CredentialsRejected);
        }
        assert!(client.stats().requests <= 3, "{:?}", client.stats());
    }
}

#[tokio::test]
async fn tags_manifests_and_configurations_are_what_was_pushed() {
    let minutes = Duration::from_mins(5);
    for (mode, token_requests) in [(Mode::Open, 0), (Mode::Htpasswd, 0), (Mode::Token { lifetime: minutes }, 1)] {
        let registry = DockerRegistry::start(mode, []).await;
        let pushed = push::everything(&registry).await;
        let password = password(registry.password());
        let client = client(&registry, &password, 1000);
        for place in RepositoryRef::together(pushed.keys().map(|name| name.as_str().into())) {
            let held = &pushed[&*place.repository];
            let tags = match client.tags(&place).await {
                Ok(tags) => sorted(tags.names.iter().map(str::to_owned).collect()),
                // docker-registry lists a repository without tags, and then does not know it.
                Err(error) if error.fault() == Fault::Gone && held.tags.is_empty() => Vec::new(),
                Err(error) => panic!("{mode:?}: {error:?}\n{}", registry.log()),
            };
            assert!(tags.iter().eq(held.tags.keys()), "{mode:?}: {}", place.repository);
            for (tag, digest) in held.tags.iter().take(10) {
                let Some(expected) = held.manifests.get(digest) else {
                    let error = client.resolve(&place, tag).await.expect_err("its manifest is lost");
                    assert_eq!(error.fault(), Fault::Gone, "{error:?}");
                    continue;
                };
                let resolved = client.resolve(&place, tag).await.expect("resolved");
                assert_eq!((&resolved.digest, resolved.size), (digest, Some(expected.size)));
                assert_eq!(resolved.media_type, expected.media_type);
                assert_eq!(client.manifest(&place, tag).await.as_ref().expect("a manifest"), expected);
            }
            for (digest, expected) in &held.manifests {
                let manifest = client.manifest(&place, digest).await.expect("a manifest");
                assert_eq!(&manifest, expected, "{mode:?}: {}", place.repository);
                for child in &manifest.children {
                    let read = client.manifest(&place, &child.descriptor.digest).await;
                    match held.manifests.get(&child.descriptor.digest) {
                        Some(expected) => assert_eq!(&read.expect("a child"), expected),
                        None => assert_eq!(read.expect_err("deleted").fault(), Fault::Gone),
                    }
                }
                let config = manifest.config.as_ref().filter(|config| held.configs.contains_key(&config.digest));
                if let Some(config) = config {
                    assert_eq!(client.config(&place, config).await.expect("a config"), held.configs[&config.digest]);
                }
            }
        }
        let stats = client.stats();
        assert_eq!((stats.token_requests, stats.retries), (token_requests, 0), "{mode:?}");
    }
}
