//! Pulp, an independent registry with a token server of its own: that it is what the tests take it for, seen by a plain
//! client, and the whole program with it. `tests/pulp.sh` starts it and runs these.

use std::collections::BTreeSet;

use reqwest::StatusCode;

use crate::support::inventory::{RunRow, last_run, repositories};
use crate::support::program::{Finished, Workplace, one_registry};
use crate::support::pulp::{Account, Pulp, json};

const CATALOG: &str = "registry:catalog:*";
const APP: &str = "repository:acme/app:pull";

/// A place to take the inventory from, as this account.
fn place(pulp: &Pulp, Account(username, password): &Account, lines: &str) -> Workplace {
    let login = format!("    auth: {{username: {username}, password_file: password}}\n");
    let place = Workplace::with(&one_registry(&pulp.url(), &format!("{login}{lines}")));
    place.secret("password", password);
    place
}

/// Takes the inventory, which must be complete and hold every name once; gives the sorted names and the run's row.
async fn inventory(pulp: &Pulp, account: &Account, lines: &str) -> (Vec<String>, RunRow) {
    let place = place(pulp, account, lines);
    place.run(&["run"]).await.exits(0);
    let listed = repositories(&place.path("inventory"), "quay");
    assert!(listed.is_sorted_by(|a, b| a < b), "{listed:?}");
    let row = last_run(&place.path("inventory"), "quay");
    assert_eq!((row.verdict.as_str(), row.error_codes.len()), ("complete", 0), "{row:?}");
    (listed, row)
}

/// A run that gives no inventory because of the account.
async fn denied(place: &Workplace) -> (Finished, RunRow) {
    let ended = place.run(&["run"]).await.exits(4);
    let row = last_run(&place.path("inventory"), "quay");
    assert_eq!((row.verdict.as_str(), row.rows_repositories, row.retries), ("denied", 0, 0), "{row:?}");
    (ended, row)
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn tokens_are_granted_for_repeated_scopes_and_refused_for_joined_ones() {
    let pulp = Pulp::running();
    let token = pulp.token(Some(pulp.auditor()), &[CATALOG, APP]).await;
    assert_eq!(token.access(), [CATALOG, APP]);
    assert_eq!(token.0["token"], token.0["access_token"]);
    assert_eq!(token.0["expires_in"], 2, "`TOKEN_LIFETIME` of pulp.py");
    let issued = token.0["issued_at"].as_str().unwrap();
    assert_eq!(issued.rsplit_once('.').unwrap().1.len(), "123456Z".len(), "{issued}");

    let joined = format!("{CATALOG} {APP}");
    assert!(pulp.token(Some(pulp.auditor()), &[&joined]).await.access().is_empty());
    assert!(pulp.token(Some(pulp.auditor()), &[CATALOG, "nonsense"]).await.access().is_empty());
    assert_eq!(pulp.token(None, &[CATALOG]).await.access(), ["registry:catalog:"]);
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn a_token_with_a_scope_does_not_open_the_ping() {
    let pulp = Pulp::running();
    for (scopes, status) in [(&[][..], StatusCode::OK), (&[CATALOG], StatusCode::UNAUTHORIZED)] {
        let token = pulp.token(Some(pulp.auditor()), scopes).await;
        assert_eq!(pulp.get("/v2/", &token).await.status(), status, "{scopes:?}");
    }
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn links_are_absolute_the_order_is_the_database_s_and_full_pages_are_followed_by_an_empty_one() {
    let pulp = Pulp::running();
    let (mut listed, mut sizes) = (Vec::new(), Vec::new());
    let mut next = Some("/v2/_catalog?n=50".to_owned());
    while let Some(target) = next {
        let page = pulp.get(&target, &pulp.token(Some(pulp.auditor()), &[CATALOG]).await).await;
        let link = page.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        next = link.map(|link| link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned());
        assert!(next.iter().all(|next| next.starts_with(pulp.url().as_str())), "{next:?}");
        let page = json(page).await;
        let names = page["repositories"].as_array().unwrap();
        listed.extend(names.iter().map(|name| name.as_str().unwrap().to_owned()));
        sizes.push(names.len());
    }
    assert_eq!(sizes, [50, 50, 50, 50, 50, 0]);
    assert!(!listed.is_sorted() && !listed.is_sorted_by(|a, b| a.split('/').le(b.split('/'))), "{listed:?}");
    assert!(listed.iter().collect::<BTreeSet<_>>().into_iter().eq(pulp.repositories.keys()));
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn what_was_pushed_is_there_to_be_read() {
    let pulp = Pulp::running();
    let mut seen = 0;
    for (name, kept) in pulp.repositories.iter().filter(|(name, _)| name.starts_with("acme")) {
        let token = pulp.token(Some(pulp.auditor()), &[&format!("repository:{name}:pull")]).await;
        let answer = pulp.get(&format!("/v2/{name}/tags/list"), &token).await;
        let Some(tags) = &kept.tags else {
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{name}");
            continue;
        };
        let listed = json(answer).await;
        let listed = listed["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap());
        assert_eq!(listed.collect::<BTreeSet<_>>(), tags.keys().map(String::as_str).collect(), "{name}");
        if let Some((tag, digest)) = tags.last_key_value() {
            let manifest = pulp.get(&format!("/v2/{name}/manifests/{tag}"), &token).await;
            assert_eq!(manifest.headers()["docker-content-digest"], digest.as_str(), "{name}:{tag}");
            seen += 1;
        }
    }
    assert_eq!(seen, 2, "repositories with tags");
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn an_inventory_of_full_pages() {
    let pulp = Pulp::running();
    let (listed, row) = inventory(&pulp, pulp.auditor(), "    page_size: 50\n").await;
    assert!(listed.iter().eq(pulp.repositories.keys()), "{listed:?}");
    assert_eq!((row.pages, row.rows_repositories), (6, 250), "the last page is empty");
    assert!(row.token_requests >= 1, "{row:?}");
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn an_inventory_that_outlives_its_tokens() {
    let pulp = Pulp::running();
    let (listed, row) = inventory(&pulp, pulp.auditor(), "    page_size: 1\n").await;
    assert!(listed.iter().eq(pulp.repositories.keys()), "{listed:?}");
    assert_eq!(row.pages, 251);
    assert!(row.token_requests >= 2, "{row:?}");
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn an_inventory_by_scopes_that_fit_and_scopes_that_do_not() {
    let pulp = Pulp::running();
    // Pulp grants nothing at all for scopes joined by blanks, and a token without the catalog opens no catalog.
    for scope in [format!("{CATALOG} {APP}"), format!("{APP},{CATALOG}"), APP.to_owned()] {
        let (listed, _) = inventory(&pulp, pulp.auditor(), &format!("    scope: \"{scope}\"\n")).await;
        assert!(listed.iter().eq(pulp.repositories.keys()), "{scope}");
    }
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn an_account_of_fewer_rights_sees_fewer_repositories() {
    let pulp = Pulp::running();
    let (listed, _) = inventory(&pulp, pulp.reader(), "    page_size: 50\n").await;
    assert_eq!(listed, pulp.public());
    // The catalog also hides what this account may pull from.
    let token = pulp.token(Some(pulp.reader()), &[APP]).await;
    assert_eq!(pulp.get("/v2/acme/app/tags/list", &token).await.status(), StatusCode::OK);
    assert!(pulp.repositories["acme/app"].private);
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn a_wrong_password_is_4_and_sent_once() {
    let pulp = Pulp::running();
    let place = place(&pulp, pulp.auditor(), "");
    place.secret("password", "not it");
    let (ended, row) = denied(&place).await;
    ended.says("the credentials were refused: 401 `Invalid username/password.` [credentials_rejected]");
    assert_eq!((row.error_codes[0].as_str(), row.token_requests), ("credentials_rejected", 1));
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn no_login_is_4_and_says_that_one_is_wanted() {
    let pulp = Pulp::running();
    let place = Workplace::with(&one_registry(&pulp.url(), "    auth: none\n"));
    let (ended, row) = denied(&place).await;
    ended.says("what to do: the registry wants a login");
    assert_eq!((row.error_codes[0].as_str(), row.token_requests), ("denied", 0));
}
