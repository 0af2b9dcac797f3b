//! Pages and links.

use std::sync::Arc;

use super::*;
use fake_registry::{FakeEndpoint, LinkStyle, Misbehaviour, OverMax, SeenRequest};

/// An open server with `size` names per page, for any requested size.
fn paged(count: usize, size: u32) -> Script {
    Script { page_max: size, over_max: OverMax::Clamp, ..Script::open(numbered(count).as_slice()) }
}

async fn anonymous(script: Script) -> Rig {
    Rig::with(script, |settings| settings.auth = Auth::None).await
}

fn page(names: &str, link: Option<&str>) -> Misbehaviour {
    let page = Misbehaviour::status(200).body(format!(r#"{{"repositories":{names}}}"#));
    link.into_iter().fold(page, |page, link| page.header("link", link))
}

/// Answers the catalog's requests one after the other, the last one for ever.
fn scripted(pages: Vec<Misbehaviour>) -> Script {
    Script::open([]).with_faults(move |seen: &SeenRequest, nth| {
        let at = usize::try_from(nth - 1).expect("small").min(pages.len() - 1);
        (seen.endpoint == FakeEndpoint::Catalog).then(|| pages[at].clone())
    })
}

#[tokio::test]
async fn every_shape_is_walked_to_its_end_with_its_own_links() {
    let names = numbered(250);
    for (shape, script) in [
        ("quay", Script::quay_like(names.as_slice())),
        ("distribution", Script::distribution_like(names.as_slice())),
        ("harbor", Script::harbor_like(names.as_slice())),
        ("pulp", Script::pulp_like(names.as_slice())),
    ] {
        let rig = Rig::new(Script { page_max: 50, over_max: OverMax::Clamp, ..script }).await;
        assert_eq!(rig.names().await, names, "{shape}");
    }
}

#[tokio::test]
async fn the_query_of_a_link_travels_byte_for_byte() {
    let link = "</v2/_catalog?n=1&next_page=gAAA_-x%3D%3D&y=%2f+%20a/b>; rel=\"next\"";
    let rig = anonymous(scripted(vec![page(r#"["a"]"#, Some(link)), page(r#"["b"]"#, None)])).await;
    assert_eq!(rig.names().await, ["a", "b"]);
    let second = rig.server.requests_to(FakeEndpoint::Catalog).remove(1);
    assert_eq!(second.raw_query(), "n=1&next_page=gAAA_-x%3D%3D&y=%2f+%20a/b");
}

#[tokio::test]
async fn a_path_prefix_is_kept() {
    let script =
        Script { prefix: "/artifactory/api/docker/x".into(), ..Script::distribution_like(numbered(5).as_slice()) };
    let rig = Rig::with(script, |settings| settings.page_size = NonZeroU32::new(2).expect("not zero")).await;
    assert_eq!(rig.names().await, numbered(5));
}

#[tokio::test]
async fn odd_links_are_followed_and_unreadable_ones_are_an_error() {
    for write in [
        |target: &str| vec![format!("<{target}>;rel=next")],
        |target: &str| vec![format!("<{target}>; REL=\"NEXT\"")],
        |target: &str| vec!["</p>; rel=\"prev\"".to_owned(), format!("<{target}>; rel='next'")],
        |target: &str| vec![format!("</p>; rel=\"first\", <{target}>; rel=\"next\"")],
        |target: &str| vec![format!("{target}; rel=\"next\"")],
    ] {
        let rig = anonymous(Script { link: LinkStyle::Written(Arc::new(write)), ..paged(25, 10) }).await;
        assert_eq!(rig.names().await, numbered(25));
    }
    let rubbish = |_: &str| vec!["rubbish".to_owned()];
    let rig = anonymous(Script { link: LinkStyle::Written(Arc::new(rubbish)), ..paged(25, 10) }).await;
    let walked = rig.walk().await;
    let error = walked.error.expect("an error");
    assert_eq!((error.fault(), error.step()), (Fault::Protocol, Step::Page(1)));
}

#[tokio::test]
async fn a_link_elsewhere_is_refused_before_anything_is_sent_there() {
    let other = FakeRegistry::start(Script::open(["stolen"])).await.expect("a port");
    for target in [
        other.url().join("/v2/_catalog").expect("a URL").to_string(),
        format!("//localhost:{}/v2/_catalog", other.url().port().expect("a port")),
        "https://127.0.0.1/v2/_catalog".into(),
        "file:///etc/passwd".into(),
    ] {
        let link = format!("<{target}>; rel=\"next\"");
        let error = anonymous(scripted(vec![page(r#"["a"]"#, Some(&link))])).await.error().await;
        assert_eq!((error.fault(), error.step()), (Fault::Untrusted, Step::Page(1)), "{target}");
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_wrong_prefix_on_our_own_host_is_an_error_that_says_so() {
    let link = "</wrong/v2/_catalog?last=a>; rel=\"next\"";
    let rig =
        anonymous(Script { link: LinkStyle::Written(Arc::new(|_| vec![link.to_owned()])), ..paged(25, 10) }).await;
    let error = rig.error().await;
    assert_eq!((error.fault(), error.step()), (Fault::Protocol, Step::Page(2)));
    assert!(error.remedy().contains("path prefix"), "{}", error.remedy());
}

#[tokio::test]
async fn a_wrong_prefix_is_repaired_where_the_configuration_says_so() {
    let wrong = |target: &str| vec![format!("<{}>; rel=\"next\"", target.replace("/v2/", "/wrong/v2/"))];
    let script = Script { link: LinkStyle::Written(Arc::new(wrong)), ..paged(25, 10) };
    let repair = |settings: &mut RegistrySettings| {
        settings.auth = Auth::None;
        settings.pagination = Pagination::Repair;
    };
    let rig = Rig::with(script, repair).await;
    assert_eq!(rig.names().await.len(), 25);
    assert!(rig.server.requests().iter().all(|request| request.path().starts_with("/v2/")));
}

#[tokio::test]
async fn a_url_seen_before_ends_the_walk_with_an_error() {
    let back = |to: &str| format!("</v2/_catalog?{to}>; rel=\"next\"");
    let rig = anonymous(scripted(vec![page(r#"["a"]"#, Some(&back("n=1000")))])).await;
    let error = rig.error().await;
    assert_eq!((error.fault(), error.step()), (Fault::Endless, Step::Page(1)));
    let (one, two) = (back("last=a"), back("last=b"));
    let rig = anonymous(scripted(vec![
        page(r#"["a"]"#, Some(&one)),
        page(r#"["b"]"#, Some(&two)),
        page(r#"["c"]"#, Some(&one)),
    ]));
    let error = rig.await.error().await;
    assert_eq!((error.fault(), error.step()), (Fault::Endless, Step::Page(3)));
}

#[tokio::test]
async fn a_page_repeated_name_by_name_ends_the_walk_with_an_error() {
    // Quay's restart at page 1 after a bad cursor: each link is new, the pages are not.
    let rig = anonymous(Script::open([]).with_faults(|seen, nth| {
        let link = format!("</v2/_catalog?next_page=bad{nth}>; rel=\"next\"");
        (seen.endpoint == FakeEndpoint::Catalog).then(|| page(r#"["a","b"]"#, Some(&link)))
    }));
    let error = rig.await.error().await;
    assert_eq!((error.fault(), error.step()), (Fault::Endless, Step::Page(2)));
}

#[tokio::test]
async fn a_page_of_invalid_names_alone_that_is_repeated_ends_the_walk_too() {
    let script = Script::open([]).with_faults(|seen, nth| {
        let link = format!("</v2/_catalog?last={nth}>; rel=next");
        (seen.endpoint == FakeEndpoint::Catalog).then(|| page(r#"["A","B"]"#, Some(&link)))
    });
    let rig = Rig::bounded(script, ListBounds { pages: 20, names: 1000 }, |settings| settings.auth = Auth::None).await;
    let walked = rig.walk().await;
    assert_eq!(walked.error.map(|error| (error.fault(), error.step())), Some((Fault::Endless, Step::Page(2))));
}

#[tokio::test]
async fn pages_and_names_are_capped() {
    let endless = || {
        Script::open([]).with_faults(|seen, nth| {
            let link = format!("</v2/_catalog?last={nth}>; rel=\"next\"");
            (seen.endpoint == FakeEndpoint::Catalog).then(|| page(&format!(r#"["a{nth}","b{nth}"]"#), Some(&link)))
        })
    };
    for (bounds, step) in [(ListBounds { pages: 5, names: 1000 }, 6), (ListBounds { pages: 1000, names: 7 }, 4)] {
        let rig = Rig::bounded(endless(), bounds, |settings| settings.auth = Auth::None).await;
        let error = rig.error().await;
        assert_eq!((error.fault(), error.step()), (Fault::Endless, Step::Page(step)));
    }
}

#[tokio::test]
async fn an_empty_page_with_a_link_goes_on() {
    let to = |last: &str| format!("</v2/_catalog?last={last}>; rel=\"next\"");
    let rig = anonymous(scripted(vec![
        page("[]", Some(&to("1"))),
        page(r#"["a"]"#, Some(&to("2"))),
        page("null", Some(&to("3"))),
        page("[]", Some(&to("4"))),
        page(r#"["b"]"#, None),
    ]));
    let walked = rig.await.walk().await;
    assert!(walked.error.is_none(), "{:?}", walked.error);
    assert_eq!(walked.names(), ["a", "b"]);
    let numbers: Vec<_> = walked.pages.iter().map(|page| (page.number, page.last)).collect();
    assert_eq!(numbers, [(1, false), (2, false), (3, false), (4, false), (5, true)]);
}

#[tokio::test]
async fn the_last_parameter_is_never_invented() {
    let rig = Rig::new(Script::quay_like(numbered(350).as_slice())).await;
    assert_eq!(rig.names().await, numbered(350));
    assert!(rig.server.requests().iter().all(|seen| seen.query("last").is_none()));
}

#[tokio::test]
async fn no_order_is_assumed_and_repeated_names_are_handed_on() {
    let next = "</v2/_catalog?last=x>; rel=\"next\"";
    let rig = anonymous(scripted(vec![page(r#"["z","b","b"]"#, Some(next)), page(r#"["a","z"]"#, None)])).await;
    assert_eq!(rig.names().await, ["z", "b", "b", "a", "z"], "the walk deduplicates");
}

#[tokio::test]
async fn a_null_catalog_is_empty_and_an_unreadable_one_is_an_error() {
    assert!(anonymous(scripted(vec![page("null", None)])).await.names().await.is_empty());
    for body in ["<html>login</html>", r#"{"repositories":["a""#, r#"{"repositories":"a"}"#, "{}", ""] {
        let error = anonymous(scripted(vec![Misbehaviour::status(200).body(body)])).await.error().await;
        assert_eq!((error.fault(), error.step()), (Fault::Protocol, Step::Page(1)), "{body}");
    }
    let script =
        paged(25, 10).with_faults(|seen, _| (seen.endpoint == FakeEndpoint::Catalog).then_some(Misbehaviour::Truncate));
    assert_eq!(anonymous(script).await.error().await.fault(), Fault::Unreachable);
}

#[tokio::test]
async fn the_page_size_steps_down_on_a_400() {
    let asked = |rig: &Rig| -> Vec<_> {
        rig.server.requests_to(FakeEndpoint::Catalog).iter().map(|seen| seen.raw_query().to_owned()).collect()
    };
    let rig = anonymous(Script { page_max: 1000, ..Script::open(["a"]) }).await;
    assert_eq!(rig.names().await, ["a"]);
    assert_eq!(asked(&rig), ["n=1000"]);
    let rig = anonymous(Script { page_max: 100, ..Script::open(["a"]) }).await;
    assert_eq!(rig.names().await, ["a"]);
    assert_eq!(asked(&rig), ["n=1000", "n=100"]);
    let rig = anonymous(Script { page_max: 50, ..Script::open(["a"]) }).await;
    assert_eq!(rig.names().await, ["a"]);
    assert_eq!(asked(&rig), ["n=1000", "n=100", ""]);
    // With a login, the second size does not log in again.
    let rig = Rig::new(Script { page_max: 100, ..Script::distribution_like(["a"]) }).await;
    assert_eq!(rig.names().await, ["a"]);
    assert_eq!(rig.server.tokens_issued(), 1);
}

#[tokio::test]
async fn a_short_page_is_not_the_last() {
    let to = |last: &str| format!("</v2/_catalog?n=1000&last={last}>; rel=\"next\"");
    let rig =
        anonymous(scripted(vec![page(r#"["a"]"#, Some(&to("a"))), page(r#"["b"]"#, Some(&to("b"))), page("[]", None)]));
    assert_eq!(rig.await.names().await, ["a", "b"]);
}

#[tokio::test]
async fn the_content_type_does_not_matter() {
    for kind in ["text/html; charset=utf-8", "text/plain", "application/octet-stream"] {
        let answer = page(r#"["a"]"#, None).header("content-type", kind);
        assert_eq!(anonymous(scripted(vec![answer])).await.names().await, ["a"], "{kind}");
    }
}

#[tokio::test]
async fn exactly_one_page_is_fetched_ahead() {
    let rig = anonymous(paged(100, 10)).await;
    let mut stream = rig.client.catalog(None);
    assert_eq!(rig.server.requests().len(), 0, "nothing before it is polled");
    let settle = || tokio::time::sleep(Duration::from_millis(50));
    for taken in 1..=3 {
        stream.next().await.expect("a page").expect("a good one");
        settle().await;
        assert_eq!(rig.server.count(FakeEndpoint::Catalog), taken + 1);
    }
    drop(stream);
    settle().await;
    assert_eq!(rig.server.count(FakeEndpoint::Catalog), 4);
}

#[tokio::test]
async fn a_walk_is_one_request_per_page_over_one_connection() {
    let rig = anonymous(Script { gzip: true, ..paged(2000, 10) }).await;
    assert_eq!(rig.names().await, numbered(2000));
    assert_eq!(
        rig.client.stats(),
        // The ping, and one to see whether the last page, which is full, is the last.
        Stats { pages: 200, requests: 202, retries: 0, token_requests: 0, ..Stats::default() }
    );
    assert!(rig.server.connections() <= 2, "{} connections", rig.server.connections());
    assert_eq!(rig.server.requests()[1].header("accept-encoding"), Some("gzip"));
}

#[tokio::test]
async fn a_large_page_is_read_plain_and_packed() {
    let names = numbered(100_000);
    for gzip in [false, true] {
        let script = Script { gzip, page_max: 100_000, ..Script::open(names.as_slice()) };
        let rig = Rig::with(script, |settings| {
            settings.auth = Auth::None;
            settings.page_size = NonZeroU32::new(100_000).expect("not zero");
        });
        assert_eq!(rig.await.names().await, names);
    }
}

#[tokio::test]
async fn names_against_the_grammar_are_handed_on_apart() {
    let rig = anonymous(scripted(vec![page(r#"["ok","Not/OK","\u001b]0;x"]"#, None)])).await;
    let walked = rig.walk().await;
    assert_eq!(walked.names(), ["ok"]);
    assert_eq!(walked.pages[0].invalid, ["Not/OK", "\\u{1b}]0;x"]);
    assert_eq!(walked.pages[0].invalid_count, 2);
}
