//! One catalog on several connections, against the scripted registry.

use std::collections::BTreeSet;
use std::sync::Arc;

use fake_registry::{
    CatalogOrder, FakeAccess, FakeEndpoint, LinkStyle, Misbehaviour, OverMax, RepositoryNames, SeenRequest, TokenScript,
};

use super::*;

const COUNT: usize = 3000;
const SIZE: u32 = 50;
const PAGES: usize = COUNT.div_ceil(SIZE as usize);

fn script(order: CatalogOrder) -> Script {
    let repositories = RepositoryNames::generated(COUNT, 3);
    Script { order, page_max: SIZE, over_max: OverMax::Clamp, ..Script::open(repositories) }
}

async fn rig(script: Script, split: Split) -> Rig {
    Rig::with(script, |settings| {
        settings.split = split;
        // The server looks like docker-registry, which is not split by default.
        settings.kind = Some(RegistryKind::Zot);
        settings.page_size = NonZeroU32::new(SIZE).expect("not zero");
        if matches!(settings.auth, Auth::Token(_)) {
            settings.concurrency = NonZeroUsize::new(8).expect("not zero");
        }
    })
    .await
}

fn all(rig: &Rig, walked: &Walked) {
    assert!(walked.error.is_none(), "{:?}", walked.error);
    let last: Vec<bool> = walked.pages.iter().map(|page| page.last).collect();
    assert!(last.iter().rev().skip(1).all(|last| !last) && last.last() == Some(&true), "one page is the last");
    let numbers: Vec<u64> = walked.pages.iter().map(|page| page.number).collect();
    assert!(numbers.into_iter().eq(1..=walked.pages.len() as u64));
    let expected: BTreeSet<String> = RepositoryNames::generated(COUNT, 3).iter().map(str::to_owned).collect();
    let listed: BTreeSet<String> = walked.names().into_iter().collect();
    assert_eq!(listed.len(), expected.len(), "{:?}", rig.server.count(FakeEndpoint::Catalog));
    assert_eq!(listed, expected);
}

/// Whether a walk was split: some of its pages are of ranges.
fn was_split(walked: &Walked) -> bool {
    walked.pages.iter().any(|page| page.proven_new)
}

#[tokio::test]
async fn every_name_comes_once_in_both_orders_whatever_links_look_like() {
    let odd = |target: &str| vec!["</p>; rel=prev".to_owned(), format!("{target}; REL='NEXT'")];
    for order in [CatalogOrder::Bytewise, CatalogOrder::Path] {
        for link in [LinkStyle::Relative, LinkStyle::Absolute, LinkStyle::Written(Arc::new(odd))] {
            for empty_last_page in [false, true] {
                let rig = rig(Script { link: link.clone(), empty_last_page, ..script(order) }, Split::Always).await;
                let walked = rig.walk().await;
                all(&rig, &walked);
                assert!(was_split(&walked));
                assert_eq!(walked.names().len(), COUNT, "a name came twice");
                let asked = usize::try_from(rig.server.count(FakeEndpoint::Catalog)).expect("few");
                assert!(asked <= PAGES * 5 / 4 + 20, "{asked} requests for {PAGES} pages");
                assert!(rig.server.most_in_flight() <= 8, "{}", rig.server.most_in_flight());
            }
        }
    }
}

#[tokio::test]
async fn latency_alone_is_reason_to_split() {
    let slow = |millis| Script { latency: Duration::from_millis(millis), ..script(CatalogOrder::Path) };
    let far = rig(slow(30), Split::Auto).await;
    let walked = far.walk().await;
    all(&far, &walked);
    assert!(was_split(&walked) && far.server.most_in_flight() > 4, "{}", far.server.most_in_flight());
    let mut known = far.client.authorized().settings.clone();
    known.kind = Some(RegistryKind::Distribution);
    let walked = Rig { client: Client::new(known).expect("a client"), ..far }.walk().await;
    assert!(!was_split(&walked), "docker-registry walks the tree for each page");
    for (script, split) in [(slow(0), Split::Auto), (slow(10), Split::Off)] {
        let rig = rig(script, split).await;
        let walked = rig.walk().await;
        all(&rig, &walked);
        assert!(!was_split(&walked) && rig.server.most_in_flight() == 1);
    }
}

#[tokio::test]
async fn a_page_that_costs_the_servers_work_is_no_reason() {
    let work = |seen: &SeenRequest, _| {
        let page = seen.endpoint == FakeEndpoint::Catalog && seen.query("n").is_none_or(|n| n != "1");
        page.then(|| Misbehaviour::Delay(Duration::from_millis(40)))
    };
    let rig = rig(script(CatalogOrder::Bytewise).with_faults(work), Split::Auto).await;
    let walked = rig.walk().await;
    all(&rig, &walked);
    assert!(!was_split(&walked));
    assert_eq!(walked.pages.len(), PAGES);
}

#[tokio::test]
async fn opaque_cursors_and_lists_without_order_are_never_split() {
    for script in [
        Script { link: LinkStyle::Opaque, ..script(CatalogOrder::Bytewise) },
        script(CatalogOrder::Shuffled(5)),
        // In order by chance, but a `last` that is no name begins at page 1 again.
        script(CatalogOrder::Given),
    ] {
        let rig = rig(script, Split::Always).await;
        let walked = rig.walk().await;
        all(&rig, &walked);
        assert!(!was_split(&walked));
        assert_eq!(walked.names().len(), COUNT);
    }
}

#[tokio::test]
async fn one_token_serves_all_ranges_and_too_many_requests_are_waited_for() {
    let access = FakeAccess::Token(TokenScript::new(USERNAME, PASSWORD));
    let busy = |seen: &SeenRequest, nth| {
        (seen.endpoint == FakeEndpoint::Catalog && nth % 10 == 0)
            .then(|| Misbehaviour::status(429).header("retry-after", "0"))
    };
    let rig = rig(Script { access, ..script(CatalogOrder::Path) }.with_faults(busy), Split::Always).await;
    let walked = rig.walk().await;
    all(&rig, &walked);
    assert!(was_split(&walked));
    assert_eq!((walked.names().len(), rig.server.tokens_issued()), (COUNT, 1));
}

#[tokio::test]
async fn a_range_that_fails_for_good_ends_the_walk_with_its_error() {
    let broken = |seen: &SeenRequest, nth| {
        (seen.endpoint == FakeEndpoint::Catalog && nth > 20).then(|| Misbehaviour::status(503).body("no"))
    };
    let rig = rig(script(CatalogOrder::Bytewise).with_faults(broken), Split::Always).await;
    let walked = rig.walk().await;
    let error = walked.error.as_ref().expect("an error");
    assert_eq!(error.fault(), Fault::ServerError);
    assert!(matches!(error.step(), Step::Page(number) if number > 4), "{error}");
    assert!(was_split(&walked));
}

#[tokio::test]
async fn a_server_that_loses_its_place_is_walked_in_one_and_nothing_is_lost() {
    // From the tenth request on, a key that is not a name gets page 1, or a refusal.
    let names: Arc<BTreeSet<String>> =
        Arc::new(RepositoryNames::generated(COUNT, 3).iter().map(str::to_owned).collect());
    let first: Vec<String> = names.iter().take(SIZE as usize).cloned().collect();
    let link = format!("</v2/_catalog?last={}&n={SIZE}>; rel=\"next\"", first[first.len() - 1].replace('/', "%2F"));
    let first = format!("{{\"repositories\":{first:?}}}");
    for answer in [
        Misbehaviour::status(200).header("link", &link).body(first),
        Misbehaviour::status(404),
        Misbehaviour::status(400),
    ] {
        let names = names.clone();
        let forgets = move |seen: &SeenRequest, nth| {
            let unknown = seen.query("last").is_some_and(|last| !names.contains(&last));
            (seen.endpoint == FakeEndpoint::Catalog && nth > 9 && unknown).then(|| answer.clone())
        };
        let rig = rig(script(CatalogOrder::Bytewise).with_faults(forgets), Split::Always).await;
        let walked = rig.walk().await;
        all(&rig, &walked);
    }
}

#[tokio::test]
async fn a_walk_goes_on_from_the_cursor_of_any_page_split_or_not() {
    let rig = rig(script(CatalogOrder::Path), Split::Always).await;
    let whole = rig.walk().await;
    all(&rig, &whole);
    let again = |split| {
        let mut settings = settings(rig.server.url(), Auth::None);
        settings.split = split;
        Client::build(settings, QUICK, ListBounds::default(), Arc::new(())).expect("a client")
    };
    for taken in (1..whole.pages.len()).step_by(9) {
        for split in [Split::Always, Split::Auto, Split::Off] {
            let mut names: BTreeSet<_> = whole.pages[..taken].iter().flat_map(|page| page.names.iter()).collect();
            let cursor = whole.pages[taken - 1].cursor.as_ref().expect("a cursor");
            let client = again(split);
            let pages: Vec<_> = client.catalog(Some(cursor)).collect().await;
            let pages: Vec<Page> = pages.into_iter().map(|page| page.expect("a page")).collect();
            assert!(pages.last().is_some_and(|page| page.last), "{taken} {split:?}");
            names.extend(pages.iter().flat_map(|page| page.names.iter()));
            assert_eq!(names.len(), COUNT, "{taken} {split:?} {cursor:?}");
        }
    }
}

#[tokio::test]
async fn a_cursor_that_is_not_ours_is_an_error_and_nobody_else_is_asked() {
    let other = FakeRegistry::start(Script::open(["stolen"])).await.expect("a port");
    let rig = rig(script(CatalogOrder::Path), Split::Always).await;
    let elsewhere = format!(
        r#"{{"link":"{}v2/_catalog?last=a","ranges":[{{"after":"a","upto":null,"first":"unknown","ended":false}}]}}"#,
        other.url()
    );
    for text in [elsewhere.as_str(), "{}", "", r#"{"link":"","ranges":[]}"#] {
        let cursor = Cursor(text.into());
        let pages: Vec<_> = rig.client.catalog(Some(&cursor)).collect().await;
        assert!(matches!(&pages[..], [Err(error)] if error.step() == Step::Page(1)), "{text}: {pages:?}");
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn caps_hold_for_ranges() {
    for bounds in [ListBounds { pages: 20, names: 1_000_000 }, ListBounds { pages: 1000, names: 1000 }] {
        let rig = Rig::bounded(script(CatalogOrder::Bytewise), bounds, |settings| {
            settings.split = Split::Always;
            settings.page_size = NonZeroU32::new(SIZE).expect("not zero");
        });
        assert_eq!(rig.await.error().await.fault(), Fault::Endless);
    }
}

#[tokio::test]
async fn no_more_is_fetched_than_somebody_wants() {
    let rig = rig(script(CatalogOrder::Bytewise), Split::Always).await;
    let mut pages = rig.client.catalog(None);
    for _ in 0..8 {
        pages.next().await.expect("a page").expect("no error");
    }
    let settled = async {
        let mut before = 0;
        while before != rig.server.count(FakeEndpoint::Catalog) {
            before = rig.server.count(FakeEndpoint::Catalog);
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
        }
        before
    };
    let asked = settled.await;
    // Pages in flight, pages held, and requests without new names: each is bounded by the number of connections.
    assert!(asked <= 8 + 2 * 8 + 8 + 2 * 8, "{asked} requests for 8 pages wanted, of {PAGES}");
}
