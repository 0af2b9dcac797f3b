//! Full pages without a link to a next one, and wrong links.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use fake_registry::{FakeEndpoint, LinkStyle, Misbehaviour, OverMax, SeenRequest, TagPaging};

async fn rig(script: Script, page_size: u32, kind: Option<RegistryKind>) -> Rig {
    Rig::with(script, |settings| {
        settings.auth = Auth::None;
        settings.page_size = NonZeroU32::new(page_size).expect("not zero");
        settings.kind = kind;
        settings.split = Split::Off;
    })
    .await
}

/// Pages by `last`, with links but for the one that is written as this, from 1 on.
fn losing(count: usize, size: u32, lost: u64) -> Script {
    let written = AtomicU64::new(0);
    let write = move |target: &str| {
        let is_lost = written.fetch_add(1, Ordering::Relaxed) + 1 == lost;
        if is_lost { Vec::new() } else { vec![format!("<{target}>; rel=\"next\"")] }
    };
    let link = LinkStyle::Written(Arc::new(write));
    Script { link, page_max: size, over_max: OverMax::Clamp, ..Script::open(numbered(count).as_slice()) }
}

fn listed(names: &[String], link: Option<&str>) -> Misbehaviour {
    let page = Misbehaviour::status(200).body(serde_json::json!({ "repositories": names }).to_string());
    link.into_iter().fold(page, |page, link| page.header("link", &format!("<{link}>; rel=\"next\"")))
}

/// Pages by a cursor of its own, at most `size` names, without a link in the answers of these numbers. A `last` is
/// passed over.
fn cursors(count: usize, size: usize, lost: &'static [u64]) -> Script {
    let names = numbered(count);
    Script::open([]).with_faults(move |seen: &SeenRequest, nth| {
        let query = |name: &str| seen.query(name).and_then(|value| value.parse::<usize>().ok());
        let start = query("next_page").unwrap_or(0);
        let asked = query("n").unwrap_or(size).min(size);
        let end = names.len().min(start + asked);
        let link = format!("/v2/_catalog?n={asked}&next_page={end}");
        let link = (end < names.len() && !lost.contains(&nth)).then_some(link.as_str());
        (seen.endpoint == FakeEndpoint::Catalog).then(|| listed(&names[start..end], link))
    })
}

fn codes(walked: &Walked) -> Vec<&'static str> {
    let remarks = walked.pages.iter().flat_map(|page| page.remarks.iter().map(|remark| remark.code));
    remarks.chain(walked.pages.iter().flat_map(|page| page.shortfalls.iter().map(|one| one.code))).collect()
}

/// Checks that all names come once and in order; returns the notes and the number of catalog requests.
async fn whole(rig: &Rig, count: usize) -> (Vec<&'static str>, u64) {
    let walked = rig.walk().await;
    assert!(walked.error.is_none(), "{:?}", walked.error);
    let mut names = walked.names();
    names.dedup();
    assert_eq!(names, numbered(count));
    let lasts: Vec<bool> = walked.pages.iter().map(|page| page.last).collect();
    assert_eq!(lasts.iter().filter(|last| **last).count(), 1);
    assert_eq!(lasts.last(), Some(&true));
    (codes(&walked), rig.server.count(FakeEndpoint::Catalog))
}

#[tokio::test]
async fn a_link_lost_on_any_page_is_replaced_by_the_last_name() {
    for (size, asked) in [(10, 10), (10, 1000)] {
        for lost in 1..=4 {
            // The first page of a server that returns fewer names than requested is short; nothing shows that it is not
            // the last.
            if (lost, asked) == (1, 1000) {
                continue;
            }
            let rig = rig(losing(45, size, lost), asked, None).await;
            assert_eq!(whole(&rig, 45).await, (vec!["link_missing"], 5), "{lost} of {size}, {asked} asked for");
        }
    }
    let rig = rig(losing(350, 100, 1), 1000, None).await;
    assert_eq!(whole(&rig, 350).await, (vec!["link_missing"], 4), "but where it is what most servers give at most");
}

#[tokio::test]
async fn a_server_without_links_is_walked_by_last_names() {
    let script = Script { link: LinkStyle::Missing, ..Script::open(numbered(45).as_slice()) };
    let rig = rig(script, 10, None).await;
    assert_eq!(whole(&rig, 45).await, (vec!["link_missing"; 4], 5));
    let asked: Vec<_> = rig.server.requests_to(FakeEndpoint::Catalog).iter().map(|seen| seen.query("last")).collect();
    assert_eq!(asked[4].as_deref(), Some("team/app-000039"));
}

#[tokio::test]
async fn one_question_is_asked_where_the_last_page_is_full_and_none_where_it_is_not() {
    for (count, requests) in [(39, 4), (40, 5), (41, 5), (10, 2), (9, 1), (0, 1)] {
        let script = Script::open(numbered(count).as_slice());
        let rig = rig(script, 10, None).await;
        assert_eq!(whole(&rig, count).await, (vec![], requests), "{count}");
        assert_eq!(rig.client.stats().pages, count.div_ceil(10).max(1) as u64);
    }
}

#[tokio::test]
async fn cursors_are_never_replaced_by_names_and_the_page_is_asked_for_again() {
    for (count, lost, requests, codes) in [
        (45, &[][..], 5, vec![]),
        // One shorter, and the last name alone.
        (40, &[], 4 + 2, vec![]),
        (10, &[], 1 + 2, vec![]),
        (44, &[1], 6, vec!["link_missing"]),
        (44, &[3], 6, vec!["link_missing"]),
        // Pages of nine, and the last of them full again.
        (45, &[1], 6 + 2, vec!["link_missing"]),
    ] {
        let rig = rig(cursors(count, 10, lost), 10, Some(RegistryKind::Quay)).await;
        assert_eq!(whole(&rig, count).await, (codes, requests), "{count} {lost:?}");
        assert!(rig.server.requests().iter().all(|seen| seen.query("last").is_none()));
    }
}

#[tokio::test]
async fn a_server_not_known_for_its_cursors_begins_again_and_is_understood() {
    let rig = rig(cursors(250, 100, &[1]), 1000, None).await;
    assert_eq!(whole(&rig, 250).await, (vec!["link_missing"], 4));
    for count in [100, 200] {
        let rig = self::rig(cursors(count, 100, &[]), 1000, None).await;
        assert_eq!(whole(&rig, count).await.0, Vec::<&str>::new(), "{count}");
    }
}

#[tokio::test]
async fn links_that_never_come_where_there_is_no_other_way_make_a_shortfall() {
    // For a server that respects sizes and nothing else.
    let sized = |seen: &SeenRequest, _| {
        let size = seen.query("n").and_then(|n| n.parse().ok()).unwrap_or(45);
        (seen.endpoint == FakeEndpoint::Catalog).then(|| listed(&numbered(45)[..size.min(45)], None))
    };
    let refusing = |status: u16, body: &'static str| {
        move |seen: &SeenRequest, nth: u64| {
            let answer = if nth == 1 { listed(&numbered(10), None) } else { Misbehaviour::status(status).body(body) };
            (seen.endpoint == FakeEndpoint::Catalog).then_some(answer)
        }
    };
    for (why, script) in [
        ("no last", Script::open([]).with_faults(sized)),
        ("400", Script::open([]).with_faults(refusing(400, "{}"))),
        ("404", Script::open([]).with_faults(refusing(404, r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#))),
        ("HTML", Script::open([]).with_faults(refusing(200, "<html>"))),
    ] {
        for kind in [None, Some(RegistryKind::Quay)] {
            let rig = rig(script.clone(), 10, kind).await;
            assert_eq!(whole(&rig, 10).await.0, ["unproven"], "{why}");
        }
    }
}

#[tokio::test]
async fn a_server_that_gives_all_at_once_is_believed() {
    let all = |seen: &SeenRequest, _| (seen.endpoint == FakeEndpoint::Catalog).then(|| listed(&numbered(45), None));
    let rig = rig(Script::open([]).with_faults(all), 10, None).await;
    assert_eq!(whole(&rig, 45).await, (vec![], 2));
    let rig = self::rig(Script::open([]).with_faults(all), 45, None).await;
    assert_eq!(whole(&rig, 45).await, (vec!["list_end"], 3));
}

#[tokio::test]
async fn no_answer_to_the_question_is_an_error_after_a_page_to_go_on_from() {
    for trouble in [Misbehaviour::status(503), Misbehaviour::Drop] {
        let trouble = trouble.clone();
        let script = Script { link: LinkStyle::Missing, ..Script::open(numbered(25).as_slice()) };
        let script = script.with_faults(move |seen, nth| {
            (seen.endpoint == FakeEndpoint::Catalog && (2..20).contains(&nth)).then(|| trouble.clone())
        });
        let rig = rig(script, 10, None).await;
        let walked = rig.walk().await;
        assert!(walked.error.expect("an error").fault().is_trouble());
        assert_eq!((walked.pages.len(), walked.pages[0].last), (1, false));
        let cursor = walked.pages[0].cursor.clone().expect("a cursor");
        let mut rest = collected(rig.client.catalog(Some(&cursor))).await;
        while rest.error.is_some() && rig.server.count(FakeEndpoint::Catalog) < 20 {
            rest = collected(rig.client.catalog(Some(&cursor))).await;
        }
        assert_eq!(rest.names(), numbered(25)[10..]);
    }
}

#[tokio::test]
async fn an_empty_page_after_a_cursor_is_the_end_where_the_registry_finds_its_place_by_names() {
    let rest = async |script: Script, cursor: &str| {
        let rig = rig(script, 10, None).await;
        let cursor = Cursor(rig.server.url().join(cursor).expect("a URL").into());
        let rest = collected(rig.client.catalog(Some(&cursor))).await;
        assert!(rest.error.is_none() && rest.names().is_empty() && rest.pages.len() == 1, "{:?}", rest.error);
        (rest.pages[0].proven_new, rig.server.count(FakeEndpoint::Catalog))
    };
    let last = "/v2/_catalog?n=10&last=team%2Fapp-000019";
    let script = || Script::open(numbered(20).as_slice());
    assert_eq!(rest(script(), last).await, (true, 2));
    assert_eq!(rest(Script { empty_last_page: true, ..script() }, last).await, (true, 2));
    // The name has been deleted since.
    assert_eq!(rest(Script::open(numbered(19).as_slice()), last).await, (false, 2));
    // The server answers every key with an empty page.
    let empty = script().with_faults(|seen, _| seen.query("last").map(|_| listed(&[], None)));
    assert_eq!(rest(empty, last).await, (false, 2));
    // The server begins again if it does not know a key.
    let again = script().with_faults(|seen, _| {
        let link = Some("/v2/_catalog?n=10&last=team%2Fapp-000009");
        Some(if seen.query("last")? == "team/app-000019" { listed(&[], None) } else { listed(&numbered(10), link) })
    });
    assert!(!rest(again, last).await.0);
    // A cursor that is not a name proves nothing.
    let unknown = script().with_faults(|seen, _| seen.query("next_page").map(|_| listed(&[], None)));
    assert_eq!(rest(unknown, "/v2/_catalog?n=10&next_page=x").await, (false, 1));
}

#[tokio::test]
async fn without_an_answer_to_the_question_for_a_page_again_the_page_is_kept_back() {
    let server = Script::open([]).with_faults(|seen, nth| {
        let names = numbered(40);
        let start = seen.query("next_page").and_then(|at| at.parse().ok()).unwrap_or(0);
        let link = format!("/v2/_catalog?n=10&next_page={}", start + 10);
        (seen.endpoint == FakeEndpoint::Catalog).then(|| match nth {
            1..=4 => listed(&names[start..start + 10], (start < 30).then_some(link.as_str())),
            _ => Misbehaviour::Drop,
        })
    });
    let rig = rig(server, 10, Some(RegistryKind::Quay)).await;
    let walked = rig.walk().await;
    assert!(walked.error.expect("an error").fault().is_trouble());
    let cursor = walked.pages[2].cursor.clone().expect("a cursor");
    assert_eq!((walked.pages.len(), cursor.0.ends_with("next_page=30")), (3, true));
}

#[tokio::test]
async fn an_empty_page_whose_link_leads_nowhere_ends_the_list() {
    for link in ["/v2/_catalog?n=10&last=", "/v2/_catalog?last=b&n=10", "/v2/_catalog", "/v2/_catalog?n=10&next_page="]
    {
        let script = Script::open([]).with_faults(move |seen, nth| {
            let page = match nth {
                1 => listed(&["a".into(), "b".into()], Some("/v2/_catalog?n=10&last=b")),
                _ => listed(&[], Some(link)),
            };
            (seen.endpoint == FakeEndpoint::Catalog).then_some(page)
        });
        let rig = rig(script, 10, None).await;
        assert_eq!(rig.names().await, ["a", "b"], "{link}");
        assert_eq!(rig.server.count(FakeEndpoint::Catalog), 2);
    }
}

#[tokio::test]
async fn a_walk_in_ranges_goes_on_after_a_full_page_without_a_link() {
    for lost in 3..=20 {
        let rig = Rig::with(losing(200, 10, lost), |settings| {
            settings.auth = Auth::None;
            settings.split = Split::Always;
        });
        let rig = rig.await;
        let mut names = rig.names().await;
        names.sort_unstable();
        names.dedup();
        assert_eq!(names, numbered(200), "{lost}");
    }
}

/// So many tags of repository `a`, ten per page unless `whole`, with links except one of this number; and how they are
/// read.
async fn tags_of(count: usize, tag_pages: TagPaging, lost: u64) -> (Result<Tags, RegistryError>, Rig) {
    let contents = fake_registry::FakeContents::default().with("a", |held| {
        for number in 0..count {
            held.tag(&format!("v{number:03}"), "sha256:0");
        }
    });
    let rig = rig(Script { contents, tag_pages, ..losing(0, 10, lost) }, 10, None).await;
    (rig.client.tags(&RepositoryRef::alone("a")).await, rig)
}

#[tokio::test]
async fn tags_after_a_lost_link_are_asked_for_by_the_last_tag() {
    for lost in 1..=4 {
        let (tags, rig) = tags_of(45, TagPaging::Last { max: 10 }, lost).await;
        assert_eq!(tags.expect("tags").names.len(), 45);
        assert_eq!(rig.server.count(FakeEndpoint::Tags), 5);
    }
    for (count, requests) in [(20, 3), (19, 2), (21, 3), (3, 1)] {
        let (tags, rig) = tags_of(count, TagPaging::Last { max: 10 }, 0).await;
        assert_eq!((tags.expect("tags").names.len(), rig.server.count(FakeEndpoint::Tags)), (count, requests));
    }
}

#[tokio::test]
async fn tags_given_all_at_once_are_asked_about_once_a_run() {
    let (tags, rig) = tags_of(45, TagPaging::Whole, 0).await;
    assert_eq!((tags.expect("tags").names.len(), rig.server.count(FakeEndpoint::Tags)), (45, 2));
    let tags = rig.client.tags(&RepositoryRef::alone("a")).await.expect("tags");
    assert_eq!((tags.names.len(), rig.server.count(FakeEndpoint::Tags)), (45, 3));
    let (tags, _) = tags_of(10, TagPaging::Whole, 0).await;
    assert_eq!(tags.expect("tags").names.len(), 10);
}

#[tokio::test]
async fn tags_that_may_not_be_all_are_none() {
    let script = Script::open(["a"]).with_faults(|seen, nth| {
        let tags: Vec<_> = (0..if nth == 1 { 10 } else { 9 }).map(|number| format!("v{number}")).collect();
        let page = Misbehaviour::status(200).body(serde_json::json!({"name": "a", "tags": tags}).to_string());
        (seen.endpoint == FakeEndpoint::Tags).then_some(page)
    });
    let rig = rig(script, 10, None).await;
    let error = rig.client.tags(&RepositoryRef::alone("a")).await.expect_err("not sure");
    assert_eq!((error.fault(), error.step()), (Fault::Protocol, Step::Tags("a".into())));
    assert!(error.remedy().contains("Link"), "{}", error.remedy());
}

#[tokio::test]
async fn an_empty_page_of_tags_whose_link_leads_nowhere_ends_them() {
    let script = Script::open(["a"]).with_faults(|seen, nth| {
        let page = |tags: &str, last: &str| {
            let link = format!("/v2/a/tags/list?n=10&last={last}; rel=next");
            Misbehaviour::status(200).body(format!(r#"{{"name":"a","tags":[{tags}]}}"#)).header("link", &link)
        };
        let page = if nth == 1 { page(r#""x","y""#, "y") } else { page("", "") };
        (seen.endpoint == FakeEndpoint::Tags).then_some(page)
    });
    let rig = rig(script, 10, None).await;
    let tags = rig.client.tags(&RepositoryRef::alone("a")).await.expect("tags");
    assert_eq!((tags.names.len(), rig.server.count(FakeEndpoint::Tags)), (2, 2));
}

#[tokio::test]
async fn a_page_of_millions_of_names_is_refused() {
    for name in [r#""a","#, r#""A","#] {
        let script = Script::open(["a"]).with_faults(move |seen, _| {
            let list = name.repeat(300_000);
            let list = list.trim_end_matches(',');
            match seen.endpoint {
                FakeEndpoint::Catalog => {
                    Some(Misbehaviour::status(200).body(format!(r#"{{"repositories":[{list}]}}"#)))
                }
                FakeEndpoint::Tags => {
                    Some(Misbehaviour::status(200).body(format!(r#"{{"name":"a","tags":[{list}]}}"#)))
                }
                _ => None,
            }
        });
        let rig = rig(script, 1000, None).await;
        let walked = rig.walk().await;
        assert!(walked.pages.is_empty());
        let error = walked.error.expect("an error");
        assert_eq!((error.fault(), error.step()), (Fault::Endless, Step::Page(1)));
        assert!(error.to_string().contains("250000"), "{error}");
        let error = rig.client.tags(&RepositoryRef::alone("a")).await.expect_err("as many tags");
        assert_eq!(error.fault(), Fault::Endless);
    }
}
