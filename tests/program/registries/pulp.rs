//! Pulp, an independent registry with a token server of its own: that it is what the tests take it for, seen by a plain
//! client, and the whole program with it. `tests/pulp.sh` starts it and runs these.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::held::{assert_is_what_was_pushed, told};
use crate::support::inventory::{RunRow, last_run, repositories};
use crate::support::program::{Finished, Workplace, one_registry};
use crate::support::pulp::{Account, Pulp, TokenAnswer, body};

const CATALOG: &str = "registry:catalog:*";
const APP: &str = "repository:acme/app:pull";
/// A repository that the reader may not read.
const PRIVATE: &str = "team_1/service-1";

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
    assert_eq!(token.0["expires_in"], 5, "`TOKEN_LIFETIME` of pulp.py");
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
    let mut next = Some("/v2/_catalog?n=20".to_owned());
    while let Some(target) = next {
        let page = pulp.get(&target, &pulp.token(Some(pulp.auditor()), &[CATALOG]).await).await;
        let link = page.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        next = link.map(|link| link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned());
        assert!(next.iter().all(|next| next.starts_with(pulp.url().as_str())), "{next:?}");
        let page = body(page).await;
        let names = page["repositories"].as_array().unwrap();
        listed.extend(names.iter().map(|name| name.as_str().unwrap().to_owned()));
        sizes.push(names.len());
    }
    assert_eq!(sizes, [20, 20, 20, 0]);
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
        let listed = body(answer).await;
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
    let (listed, row) = inventory(&pulp, pulp.auditor(), "    page_size: 20\n").await;
    assert!(listed.iter().eq(pulp.repositories.keys()), "{listed:?}");
    assert_eq!((row.pages, row.rows_repositories), (4, 60), "the last page is empty");
    assert!(row.token_requests >= 1, "{row:?}");
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn an_inventory_that_outlives_its_tokens() {
    let pulp = Pulp::running();
    // 60 names one by one, and an empty page: six seconds, one more than a token has.
    let lines = "    page_size: 1\n    requests_per_second: 10\n";
    let (listed, row) = inventory(&pulp, pulp.auditor(), lines).await;
    assert!(listed.iter().eq(pulp.repositories.keys()), "{listed:?}");
    assert_eq!((row.pages, row.retries), (61, 0));
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
    let (listed, _) = inventory(&pulp, pulp.reader(), "    page_size: 20\n").await;
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

/// The repository that the catalog lists and nothing else knows.
const BARE: (&str, &str) = ("acme/app_bare", "gone");

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn all_that_was_pushed_is_there_and_a_second_night_fetches_no_manifest() {
    let pulp = Pulp::running();
    let pushed = pulp.pushed(|_, _| true);
    // The repository of ten tags has two full pages and an empty one.
    let place = place(&pulp, pulp.nightly(), "    depth: manifests\n    page_size: 5\n");
    let root = place.path("inventory");
    // Four manifests and three configurations.
    for saved in [0, 4 + 3] {
        let before = pulp.requests_of(pulp.nightly()).len();
        place.run(&["run"]).await.exits(0).says("complete");
        assert_is_what_was_pushed(&root, &pushed, &[BARE]);
        let night = last_run(&root, "quay");
        assert_eq!((night.requests_saved, night.error_codes.as_slice()), (saved, &["gone".to_owned()][..]));
        assert!(night.token_requests < 60, "repositories share tokens: {night:?}");

        let asked = pulp.requests_of(pulp.nightly()).split_off(before);
        let asked_for = |words: &str| asked.iter().filter(|asked| asked.contains(words)).collect::<BTreeSet<_>>();
        // 13 tags; by digest an index's other child; configurations.
        let expected = if saved == 0 { [13 + 1, 0, 3] } else { [0, 13, 0] };
        let of = |method: &str| asked_for("/manifests/").iter().filter(|asked| asked.starts_with(method)).count();
        assert_eq!([of("GET "), of("HEAD "), asked_for("/blobs/").len()], expected, "{asked:?}");
    }
    let abroad = pulp.content_requests();
    assert!(abroad.iter().any(|request| request.starts_with("- GET /pulp/container/acme/app/blobs/")), "{abroad:?}");
    assert!(abroad.iter().all(|request| request.starts_with("- ")), "an Authorization left its origin: {abroad:?}");
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn tags_as_the_account_may_see_them() {
    let pulp = Pulp::running();
    for (account, sees_private) in [(pulp.auditor(), true), (pulp.reader(), false)] {
        let place = place(&pulp, account, "    depth: tags\n");
        place.run(&["run"]).await.exits(0).says("complete");
        let expected: Vec<_> = pulp
            .repositories
            .iter()
            .filter(|(_, kept)| sees_private || !kept.private)
            .flat_map(|(name, kept)| {
                kept.tags.iter().flatten().map(move |(tag, _)| json!({"repository": name, "tag": tag}))
            })
            .collect();
        let root = place.path("inventory");
        assert_eq!(told(&root, "tags"), expected);
        assert_eq!(last_run(&root, "quay").error_codes, ["gone"]);
    }
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn a_walk_by_tags_outlives_its_tokens() {
    let pulp = Pulp::running();
    // Page by page each repository has a token of its own: 180 requests, at 20 a second nine seconds.
    let place = place(&pulp, pulp.auditor(), "    depth: tags\n    page_size: 1\n    requests_per_second: 20\n");
    place.run(&["run"]).await.exits(0).says("complete");
    let row = last_run(&place.path("inventory"), "quay");
    assert_eq!((row.pages, row.rows_repositories, row.retries), (61, 60, 0), "{row:?}");
    assert!(row.token_requests >= 62, "one for each, and two for the catalog: {row:?}");
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn a_monitored_repository_is_read_though_the_catalog_hides_it() {
    let pulp = Pulp::running();
    let denied = [PRIVATE, "nowhere/at-all"];
    let lines = format!("    monitored_repositories: [acme/app, {}]\n", denied.join(", "));
    let place = place(&pulp, pulp.reader(), &lines);
    let ended = place.run(&["run"]).await.exits(3);
    ended.says("2 of 57 repositories could not be read");
    let root = place.path("inventory");
    let rows = told(&root, "repositories");
    let monitored = rows.iter().filter(|row| row["monitored"] == true);
    let monitored: Vec<_> = monitored.map(|row| json!([row["repository"], row["state"], row["tag_count"]])).collect();
    let mut expected = vec![json!(["acme/app", "complete", 3])];
    expected.extend(["nowhere/at-all", PRIVATE].map(|name| json!([name, "denied", null])));
    assert_eq!(monitored, expected);
    assert_eq!(rows.len(), pulp.public().len() + 3);
    assert!(told(&root, "tags").iter().all(|row| row["repository"] == "acme/app"));
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn repositories_that_share_a_token_do_not_share_a_denial() {
    let pulp = Pulp::running();
    let names = ["acme/app", BARE.0, PRIVATE, "nowhere/at-all"];
    let lines = format!("    depth: manifests\n    discovery: {{repositories: [{}]}}\n", names.join(", "));
    let place = place(&pulp, pulp.reader(), &lines);
    place.run(&["run"]).await.exits(3);
    let root = place.path("inventory");
    let others = [BARE, (PRIVATE, "denied"), ("nowhere/at-all", "denied")];
    assert_is_what_was_pushed(&root, &pulp.pushed(|name, _| name == "acme/app"), &others);
    let row = last_run(&root, "quay");
    assert!(row.token_requests <= 2, "one for all, unless it died: {row:?}");
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn a_request_line_has_4094_bytes_at_most() {
    let pulp = Pulp::running();
    // As long as a group's scopes may be; and well over what gunicorn reads.
    for (count, fits) in [(20, true), (28, false)] {
        let scopes: Vec<_> = (0..count).map(|at| format!("repository:{at:0121}:pull")).collect();
        let scopes: Vec<_> = scopes.iter().map(String::as_str).collect();
        let answer = pulp.ask_token(Some(pulp.reader()), &scopes).await;
        let (status, target) = (answer.status(), answer.url().as_str().len());
        assert_eq!(status.is_success(), fits, "{status} for {target} bytes");
        if fits {
            assert_eq!(TokenAnswer(body(answer).await).access().len(), count);
        }
    }
}

/// What `check` says to an account: the steps that failed, and the rules that fired.
async fn checked(place: &Workplace, code: i32) -> (Vec<String>, Vec<String>) {
    let ended = place.run(&["check", "--format", "json"]).await.exits(code);
    assert_eq!(ended.stderr, "");
    let said: Value = serde_json::from_str(&ended.stdout).unwrap();
    let steps = said["registries"][0]["steps"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let failed = steps.iter().filter(|step| step["outcome"] == "failed").map(|step| text(&step["step"])).collect();
    let rules = steps.iter().flat_map(|step| step["diagnosis"].as_array().unwrap()).map(|found| text(&found["rule"]));
    (failed, rules.collect())
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn check_finds_what_is_wrong_and_nothing_else() {
    let pulp = Pulp::running();
    let list = format!("    discovery: {{repositories: [{PRIVATE}]}}\n");
    let nothing = || (Vec::new(), Vec::new());
    let one = |step: &str, rule: &str| (vec![step.to_owned()], vec![rule.to_owned()]);
    for lines in ["", &list, "    scope: repository:acme/app:pull\n"] {
        assert_eq!(checked(&place(&pulp, pulp.auditor(), lines), 0).await, nothing(), "{lines}");
    }
    // The list is whole all the same: a note.
    let nonsense = place(&pulp, pulp.auditor(), "    scope: nonsense\n");
    assert_eq!(checked(&nonsense, 0).await, (Vec::new(), vec!["scope_not_granted".to_owned()]));
    assert_eq!(checked(&place(&pulp, pulp.reader(), ""), 0).await, nothing());
    let forbidden = place(&pulp, pulp.reader(), &list);
    assert_eq!(checked(&forbidden, 4).await, one("tags", "missing_permission"));
    for lines in ["", &list] {
        let wrong = place(&pulp, pulp.auditor(), lines);
        wrong.secret("password", "not it");
        assert_eq!(checked(&wrong, 4).await, one("login", "credentials_refused"), "{lines}");
    }
    // An anonymous token is to be had, and good for nothing.
    for (auth, rule) in [("none", "login_wanted"), ("token", "no_identity")] {
        let stranger = Workplace::with(&one_registry(&pulp.url(), &format!("    auth: {auth}\n")));
        assert_eq!(checked(&stranger, 4).await, one("login", rule), "{auth}");
    }
}

#[tokio::test]
#[ignore = "tests/pulp.sh starts the Pulp that it needs"]
async fn a_login_that_docker_has_stored() {
    let pulp = Pulp::running();
    let Account(username, password) = pulp.auditor();
    let host = pulp.url().authority().to_owned();
    let place = Workplace::with(&one_registry(&pulp.url(), "    auth: {type: docker_config, file: config.json}\n"));
    let stored = json!({"auths": {host: {"auth": STANDARD.encode(format!("{username}:{password}"))}}});
    place.secret("config.json", &stored.to_string());
    place.run(&["run"]).await.exits(0).says("complete");
    assert!(repositories(&place.path("inventory"), "quay").iter().eq(pulp.repositories.keys()));
}
