//! The Pulp that `tests/pulp.sh` has started and filled: where it is, who may log in, what it holds.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Response;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::client;

/// What `support/pulp.py` says of it. All tests share it, so that none may change anything.
#[derive(Debug, Deserialize)]
pub(crate) struct Pulp {
    url: String,
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

    /// The account without any role but one, to pull from `acme/app`, which the catalog does not honour.
    pub(crate) fn reader(&self) -> &Account {
        &self.accounts["reader"]
    }

    /// The names of the repositories that anybody with an account may see, sorted.
    pub(crate) fn public(&self) -> Vec<&str> {
        self.repositories.iter().filter(|(_, kept)| !kept.private).map(|(name, _)| name.as_str()).collect()
    }

    /// The token server's answer for these scopes, each a parameter of its own; to nobody without an account.
    pub(crate) async fn token(&self, account: Option<&Account>, scopes: &[&str]) -> Token {
        let service = self.url.trim_start_matches("http://");
        let scopes = scopes.iter().map(|scope| ("scope", *scope));
        let mut url = self.url().join("/token/").unwrap();
        url.query_pairs_mut().append_pair("service", service).extend_pairs(scopes);
        let mut request = client().get(url);
        if let Some(Account(username, password)) = account {
            request = request.basic_auth(username, Some(password));
        }
        Token(json(request.send().await.unwrap()).await)
    }

    /// Asks the registry with a token, for a target below the URL or anywhere.
    pub(crate) async fn get(&self, target: &str, token: &Token) -> Response {
        let request = client().get(self.url().join(target).unwrap()).bearer_auth(token.0["token"].as_str().unwrap());
        request.send().await.unwrap()
    }
}

/// What the token server answered.
#[derive(Debug)]
pub(crate) struct Token(pub(crate) Value);

impl Token {
    /// The access that its claims grant, as `type:name:actions`.
    pub(crate) fn access(&self) -> Vec<String> {
        let claims = self.0["token"].as_str().unwrap().split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let granted = |access: &Value| {
            let actions: Vec<_> = access["actions"].as_array().unwrap().iter().map(text).collect();
            format!("{}:{}:{}", text(&access["type"]), text(&access["name"]), actions.join(","))
        };
        claims["access"].as_array().unwrap().iter().map(granted).collect()
    }
}

/// A body, which must be JSON.
pub(crate) async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}
