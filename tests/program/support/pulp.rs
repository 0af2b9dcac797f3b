//! The Pulp that `tests/pulp.sh` has started and filled: where it is, who may log in, what it holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Response;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use stocktake::registry::ContentKind;
use stocktake::registry::{Child, Descriptor, ImageConfig, Manifest, Oddities, Platform};

use super::client;
use super::push::{ExpectedRepository, Pushed};

/// What `support/pulp.py` says of it. All tests share it, so that none may change anything.
#[derive(Debug, Deserialize)]
pub(crate) struct Pulp {
    url: String,
    api_log: PathBuf,
    content_log: PathBuf,
    accounts: BTreeMap<String, Account>,
    /// By name.
    pub(crate) repositories: BTreeMap<String, Repository>,
}

/// A user name and its password.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Account(pub(crate) String, pub(crate) String);

/// A repository as it was pushed.
#[derive(Debug, Deserialize)]
pub(crate) struct Repository {
    pub(crate) private: bool,
    /// Digests by tag; none where only the catalog knows the repository.
    pub(crate) tags: Option<BTreeMap<String, String>>,
    /// The bytes of manifests by digest.
    manifests: BTreeMap<String, String>,
    /// The bytes of images' configurations by digest.
    configs: BTreeMap<String, String>,
}

impl Repository {
    /// What it holds, where it holds anything.
    fn held(&self) -> Option<ExpectedRepository> {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let config = |text: &str| ImageConfig { platform: platform(&read(text)), ..ImageConfig::default() };
        Some(ExpectedRepository {
            tags: self.tags.clone()?,
            manifests: self.manifests.iter().map(|(digest, text)| (digest.clone(), manifest(digest, text))).collect(),
            configs: self.configs.iter().map(|(digest, text)| (digest.clone(), config(text))).collect(),
        })
    }
}

/// A manifest as it was pushed.
fn manifest(digest: &str, text: &str) -> Manifest {
    let read: Value = serde_json::from_str(text).unwrap();
    let each = |key: &str| read[key].as_array().cloned().unwrap_or_default();
    let child = |child: &Value| Child { descriptor: descriptor(child), platform: platform(&child["platform"]) };
    let children: Vec<_> = each("manifests").iter().map(child).collect();
    Manifest {
        digest: digest.to_owned(),
        media_type: read["mediaType"].as_str().unwrap().to_owned(),
        size: i64::try_from(text.len()).unwrap(),
        kind: if children.is_empty() { ContentKind::Image } else { ContentKind::Index },
        artifact_type: None,
        subject: None,
        config: children.is_empty().then(|| descriptor(&read["config"])),
        layers: each("layers").iter().map(descriptor).collect(),
        children,
        annotations: BTreeMap::new(),
        oddities: Oddities::default(),
    }
}

fn descriptor(written: &Value) -> Descriptor {
    let text = |key: &str| written[key].as_str().unwrap().to_owned();
    Descriptor { digest: text("digest"), size: written["size"].as_i64(), media_type: text("mediaType") }
}

fn platform(written: &Value) -> Platform {
    let text = |key: &str| written[key].as_str().map(str::to_owned);
    Platform { os: text("os"), architecture: text("architecture"), variant: text("variant") }
}

impl Pulp {
    /// The running one.
    pub(crate) fn running() -> Self {
        let said = std::env::var("STOCKTAKE_TEST_PULP").expect("tests/pulp.sh starts Pulp and runs these tests");
        serde_json::from_str(&said).unwrap()
    }

    /// Where its registry is.
    pub(crate) fn url(&self) -> Url {
        Url::parse(&self.url).unwrap()
    }

    /// The account that sees every repository.
    pub(crate) fn auditor(&self) -> &Account {
        &self.accounts["auditor"]
    }

    /// Another such, of one test alone.
    pub(crate) fn nightly(&self) -> &Account {
        &self.accounts["nightly"]
    }

    /// The account without any role but one, to pull from `acme/app`, which the catalog does not honour.
    pub(crate) fn reader(&self) -> &Account {
        &self.accounts["reader"]
    }

    /// The names of the repositories that anybody with an account may see, sorted.
    pub(crate) fn public(&self) -> Vec<&str> {
        self.repositories.iter().filter(|(_, kept)| !kept.private).map(|(name, _)| name.as_str()).collect()
    }

    /// What the repositories hold that this rule picks, and that hold anything.
    pub(crate) fn pushed(&self, picks: impl Fn(&str, &Repository) -> bool) -> Pushed {
        let picked = self.repositories.iter().filter(|(name, kept)| picks(name, kept));
        picked.filter_map(|(name, kept)| Some((name.clone(), kept.held()?))).collect()
    }

    /// What an account has asked the registry with tokens so far: method and path.
    pub(crate) fn requests_of(&self, Account(username, _): &Account) -> Vec<String> {
        let log = fs::read_to_string(&self.api_log).unwrap();
        let requests = log.lines().filter_map(|line| line.strip_prefix("Bearer ")?.split_once(' '));
        let of_account = requests.filter(|(token, _)| claims(token)["sub"] == username.as_str());
        of_account.map(|(_, request)| request.to_owned()).collect()
    }

    /// What anybody has asked the content app, which has an origin of its own: the `Authorization`, `-` for none, then
    /// method and target.
    pub(crate) fn content_requests(&self) -> Vec<String> {
        fs::read_to_string(&self.content_log).unwrap().lines().map(str::to_owned).collect()
    }

    /// Asks the token server for these scopes, each a parameter of its own; as nobody without an account.
    pub(crate) async fn ask_token(&self, account: Option<&Account>, scopes: &[&str]) -> Response {
        let service = self.url.trim_start_matches("http://");
        let scopes = scopes.iter().map(|scope| ("scope", *scope));
        let mut url = self.url().join("/token/").unwrap();
        url.query_pairs_mut().append_pair("service", service).extend_pairs(scopes);
        let mut request = client().get(url);
        if let Some(Account(username, password)) = account {
            request = request.basic_auth(username, Some(password));
        }
        request.send().await.unwrap()
    }

    /// The token that it gives.
    pub(crate) async fn token(&self, account: Option<&Account>, scopes: &[&str]) -> TokenAnswer {
        TokenAnswer(body(self.ask_token(account, scopes).await).await)
    }

    /// Asks the registry with a token, for a target below the URL or anywhere.
    pub(crate) async fn get(&self, target: &str, token: &TokenAnswer) -> Response {
        let request = client().get(self.url().join(target).unwrap()).bearer_auth(token.0["token"].as_str().unwrap());
        request.send().await.unwrap()
    }
}

/// What the token server answered.
#[derive(Debug)]
pub(crate) struct TokenAnswer(pub(crate) Value);

impl TokenAnswer {
    /// The access that its claims grant, as `type:name:actions`.
    pub(crate) fn access(&self) -> Vec<String> {
        let claims = claims(self.0["token"].as_str().unwrap());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let granted = |access: &Value| {
            let actions: Vec<_> = access["actions"].as_array().unwrap().iter().map(text).collect();
            format!("{}:{}:{}", text(&access["type"]), text(&access["name"]), actions.join(","))
        };
        claims["access"].as_array().unwrap().iter().map(granted).collect()
    }
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// A body, which must be JSON.
pub(crate) async fn body(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}
