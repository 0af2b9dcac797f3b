//! Lists in numbered pages that change while they are read: what was there throughout is listed, or the walk says that
//! it may be missing.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;

/// How an API pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumberedApi {
    Harbor,
    Gitlab,
    Gitea,
    DockerHub,
}

const KINDS: [NumberedApi; 4] = [NumberedApi::Harbor, NumberedApi::Gitlab, NumberedApi::Gitea, NumberedApi::DockerHub];

/// A list of an owner `lib` that changes after each page by `change`, which is given the page's number and how many
/// pages were answered before.
fn scripted(
    kind: NumberedApi,
    count: usize,
    change: impl Fn(&mut Vec<String>, usize, usize) + Send + Sync + 'static,
) -> (Script, Arc<Mutex<Vec<String>>>) {
    let names: Vec<_> = (0..count).map(|number| format!("app-{number:04}")).collect();
    let (now, answered) = (Arc::new(Mutex::new(names)), Mutex::new(0));
    let shared = now.clone();
    let answer = move |seen: &SeenRequest, _| {
        if is_proof(&seen.target) {
            return Some(body("{}"));
        }
        let asked = |name: &str| seen.query(name).and_then(|value| value.parse::<usize>().ok());
        let page = asked("page").unwrap_or(1);
        let size = ["page_size", "per_page", "limit"].iter().find_map(|name| asked(name)).expect("a size");
        let mut names = shared.lock().expect("unpoisoned");
        let shown: Vec<_> = names.iter().skip((page - 1) * size).take(size).collect();
        let (total, is_last) = (names.len(), page * size >= names.len());
        let entry = |name: &&String| match kind {
            NumberedApi::Harbor => json!({"name": format!("lib/{name}")}),
            NumberedApi::Gitlab => json!({"path": format!("lib/{name}")}),
            NumberedApi::Gitea => json!({"owner": {"login": "lib"}, "type": "container", "name": name, "version": "1"}),
            NumberedApi::DockerHub => json!({"namespace": "lib", "name": name}),
        };
        let entries: Vec<_> = shown.iter().map(entry).collect();
        let next = (!is_last).then(|| (page + 1).to_string());
        let goes = match kind {
            NumberedApi::DockerHub => {
                let next = next.map(|next| format!("{}?page_size=100&page={next}", seen.path()));
                body(&json!({"count": total, "next": next, "results": entries}).to_string())
            }
            NumberedApi::Gitlab => body(&json!(entries).to_string()).header("x-next-page", &next.unwrap_or_default()),
            _ => body(&json!(entries).to_string()).header("x-total-count", &total.to_string()),
        };
        let mut answered = answered.lock().expect("unpoisoned");
        change(&mut names, page, *answered);
        *answered += 1;
        Some(goes)
    };
    (Script::open([]).with_faults(answer), now)
}

async fn rig(script: Script) -> DiscoveryRig {
    DiscoveryRig::with(script, |_| Auth::None).await
}

fn settings(rig: &DiscoveryRig, kind: NumberedApi) -> DiscoverySettings {
    let lib = || owned(&["lib"]);
    let api = ApiSettings::default();
    match kind {
        NumberedApi::Harbor => DiscoverySettings::Harbor { api, projects: lib() },
        NumberedApi::Gitlab => DiscoverySettings::Gitlab { api: rig.bearer(), groups: lib(), projects: Vec::new() },
        NumberedApi::Gitea => DiscoverySettings::Gitea { api, owners: lib() },
        NumberedApi::DockerHub => DiscoverySettings::DockerHub { api, namespaces: lib() },
    }
}

/// The names that are there at the end and were not listed.
fn lost(walked: &DiscoveredPages, now: &Mutex<Vec<String>>) -> Vec<String> {
    let listed = walked.names();
    let now = now.lock().expect("unpoisoned");
    now.iter().map(|name| format!("lib/{name}")).filter(|name| !listed.contains(name)).collect()
}

#[tokio::test]
async fn a_deletion_in_mid_list_hides_nothing() {
    for kind in KINDS {
        let (script, now) = scripted(kind, 350, |names, _, answered| {
            if answered < 2 {
                names.remove(0);
            }
        });
        let rig = rig(script).await;
        let walked = rig.walk(&settings(&rig, kind)).await;
        assert!(walked.error.is_none(), "{kind:?} {:?}", walked.error);
        assert_eq!(lost(&walked, &now), Vec::<String>::new(), "{kind:?}");
        assert_eq!(shortfalls_of(&walked), [], "{kind:?}");
        let mut names = walked.names();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), walked.names().len(), "no name is handed out twice");
    }
}

#[tokio::test]
async fn a_list_that_loses_entries_each_time_it_is_read_is_a_shortfall() {
    for kind in KINDS {
        let (script, _) = scripted(kind, 350, |names, page, _| {
            if page < 3 {
                names.remove(0);
            }
        });
        let rig = rig(script).await;
        let walked = rig.walk(&settings(&rig, kind)).await;
        let shortfalls = shortfalls_of(&walked);
        assert_eq!(shortfalls.len(), 1, "{kind:?} {shortfalls:?}");
        assert_eq!(shortfalls[0].0, "shifting");
        assert!(shortfalls[0].1.contains("of lib: the list changed each of the 4 times"), "{shortfalls:?}");
        assert!(walked.pages.last().is_some_and(|page| page.last));
    }
}

#[tokio::test]
async fn a_deletion_that_empties_the_last_page_is_noticed() {
    // 101 entries: the one on the second page moves to the first when one of that is deleted.
    for kind in KINDS {
        let (script, now) = scripted(kind, 101, |names, _, answered| {
            if answered == 0 {
                names.remove(0);
            }
        });
        let rig = rig(script).await;
        let walked = rig.walk(&settings(&rig, kind)).await;
        assert_eq!((lost(&walked, &now), shortfalls_of(&walked)), (Vec::new(), Vec::new()), "{kind:?}");
    }
}

#[tokio::test]
async fn a_stable_list_with_totals_is_read_once() {
    for (kind, requests) in [(NumberedApi::Harbor, 4), (NumberedApi::Gitea, 7), (NumberedApi::DockerHub, 4)] {
        let (script, _) = scripted(kind, 350, |_, _, _| {});
        let rig = rig(script).await;
        assert_eq!(rig.names(&settings(&rig, kind)).await.len(), 350);
        assert_eq!(rig.targets().len(), requests, "{kind:?}");
    }
    // GitLab tells no total of more than 10,000 entries: the scripted one never does.
    let (script, _) = scripted(NumberedApi::Gitlab, 350, |_, _, _| {});
    let rig = rig(script).await;
    assert_eq!(rig.names(&settings(&rig, NumberedApi::Gitlab)).await.len(), 350);
    assert_eq!(rig.targets().len(), 8);
}

#[tokio::test]
async fn a_project_that_a_deletion_moves_away_is_listed_too() {
    let projects: Arc<Mutex<Vec<_>>> = Arc::new(Mutex::new((0..101).map(|n| format!("p{n}")).collect()));
    let answer = move |seen: &SeenRequest, _| {
        let one = |name: &str| body(&json!([{"name": name}]).to_string()).header("x-total-count", "1");
        if let Some(project) = seen.path().strip_prefix("/api/v2.0/projects/") {
            return Some(one(&project.replace("/repositories", "/app")));
        }
        let page: usize = seen.query("page").and_then(|page| page.parse().ok()).unwrap_or(1);
        let mut projects = projects.lock().expect("unpoisoned");
        let shown: Vec<_> =
            projects.iter().skip((page - 1) * 100).take(100).map(|name| json!({"name": name})).collect();
        let goes = body(&json!(shown).to_string()).header("x-total-count", &projects.len().to_string());
        projects.retain(|name| name != "p0");
        Some(goes)
    };
    let rig = rig(Script::open([]).with_faults(answer)).await;
    let settings = DiscoverySettings::Harbor { api: ApiSettings::default(), projects: Vec::new() };
    let names = rig.names(&settings).await;
    assert!(names.contains(&"p100/app".to_owned()));
    assert_eq!(names.len(), 101);
    let lists = rig.targets().iter().filter(|target| target.contains("/p7/")).count();
    assert_eq!(lists, 1, "no project is listed twice");
}

#[tokio::test]
async fn an_early_empty_page_is_not_the_end_where_the_total_says_otherwise() {
    let path = "/api/v2.0/projects/lib/repositories";
    let total = |text| body(text).header("x-total-count", "2");
    let rig = DiscoveryRig::new(vec![
        ("/api/v2.0/projects/lib/repositories?page=1&page_size=100", total(r#"[{"name":"lib/a"}]"#)),
        ("/api/v2.0/projects/lib/repositories?page_size=100&page=2", total("[]")),
        ("/api/v2.0/projects/lib/repositories?page_size=100&page=3", total(r#"[{"name":"lib/b"}]"#)),
    ])
    .await;
    let settings = DiscoverySettings::Harbor { api: ApiSettings::default(), projects: owned(&["lib"]) };
    assert_eq!(rig.names(&settings).await, ["lib/a", "lib/b"], "{path}");
}

#[tokio::test]
async fn two_lists_with_the_same_content_are_no_circle() {
    let one = |text| body(text).header("x-total", "1");
    let rig = DiscoveryRig::new(vec![
        ("/api/v4/groups/acme/registry/repositories?per_page=100&page=1", one(r#"[{"path":"acme/app"}]"#)),
        ("/api/v4/projects/7/registry/repositories?per_page=100&page=1", one(r#"[{"path":"acme/app"}]"#)),
    ])
    .await;
    let (groups, projects) = (owned(&["acme"]), owned(&["7"]));
    let settings = DiscoverySettings::Gitlab { api: rig.bearer(), groups, projects };
    assert_eq!(rig.names(&settings).await, ["acme/app"]);
}

#[tokio::test]
async fn azures_full_page_without_a_link_is_not_the_last() {
    let names: Vec<_> = (0..150).map(|n| format!("r{n:03}")).collect();
    let answer = move |seen: &SeenRequest, _| {
        let last = seen.query("last").unwrap_or_default();
        let shown: Vec<_> = names.iter().filter(|name| **name > last).take(100).collect();
        (seen.path() == "/acr/v1/_catalog").then(|| body(&json!({"repositories": shown}).to_string()))
    };
    let rig = rig(Script::open([]).with_faults(answer)).await;
    assert_eq!(rig.names(&DiscoverySettings::Acr).await.len(), 150);
}

/// A catalog whose links count the names before the next page, and which changes after the pages that `change` is for.
fn by_offset(change: impl Fn(&mut Vec<String>, usize) + Send + Sync + 'static) -> (Script, Arc<Mutex<Vec<String>>>) {
    let names: Vec<_> = (0..250).map(|number| format!("lib/app-{number:04}")).collect();
    let (now, answered) = (Arc::new(Mutex::new(names)), Mutex::new(0));
    let shared = now.clone();
    let answer = move |seen: &SeenRequest, _| {
        if seen.path() != "/v2/_catalog" {
            return None;
        }
        let offset: usize = seen.query("offset").and_then(|offset| offset.parse().ok()).unwrap_or(0);
        let mut names = shared.lock().expect("unpoisoned");
        let shown: Vec<_> = names.iter().skip(offset).take(100).collect();
        let goes = body(&json!({"repositories": shown}).to_string());
        let link = format!("</v2/_catalog?n=100&offset={}>; rel=\"next\"", offset + 100);
        let goes = if offset + 100 < names.len() { goes.header("link", &link) } else { goes };
        let mut answered = answered.lock().expect("unpoisoned");
        change(&mut names, *answered);
        *answered += 1;
        Some(goes)
    };
    (Script::open([]).with_faults(answer), now)
}

#[tokio::test]
async fn a_catalog_by_offset_is_read_until_two_readings_agree() {
    let (script, now) = by_offset(|names, answered| {
        if answered < 2 {
            names.remove(0);
        }
    });
    let rig = rig(script).await;
    let walked = rig.walk(&DiscoverySettings::Catalog).await;
    assert!(walked.error.is_none(), "{:?}", walked.error);
    let now = now.lock().expect("unpoisoned");
    assert!(now.iter().all(|name| walked.names().contains(name)));
    assert_eq!((walked.names().len(), shortfalls_of(&walked)), (250, Vec::new()));
    assert!(walked.pages.iter().all(|page| page.cursor.is_none()), "a number is no place to go on from");
    let last: Vec<_> = walked.pages.iter().map(|page| page.last).collect();
    assert_eq!(last.iter().filter(|last| **last).count(), 1);
    assert!(walked.pages.iter().zip(1..).all(|(page, number)| page.number == number));
}

#[tokio::test]
async fn a_catalog_by_offset_that_never_rests_is_a_shortfall() {
    let (script, _) = by_offset(|names, _| {
        names.remove(0);
    });
    let rig = rig(script).await;
    let walked = rig.walk(&DiscoverySettings::Catalog).await;
    let shortfalls = shortfalls_of(&walked);
    assert_eq!(shortfalls.len(), 1, "{shortfalls:?}");
    assert!(shortfalls[0].1.starts_with("catalog: the list changed each of the 4 times"), "{shortfalls:?}");
}
