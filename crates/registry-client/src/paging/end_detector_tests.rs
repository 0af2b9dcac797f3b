use super::*;
use crate::paging::page::read_page;

fn url(query: &str) -> Url {
    Url::parse(&format!("https://r.example/v2/_catalog?{query}")).expect("a URL")
}

fn page(names: &[&str]) -> ListedNames {
    read_page(serde_json::json!({ "repositories": names }).to_string().as_bytes()).expect("a page")
}

fn asked(ending: &mut EndDetector, query: &str, names: &[&str]) -> Option<String> {
    ending.ask(&url(query), &page(names)).map(|question| question.url.query().unwrap_or_default().to_owned())
}

#[test]
fn only_a_page_as_full_as_was_asked_or_as_those_before_it_is_asked_about() {
    let hundred: Vec<String> = (0..100).map(|n| format!("a{n:02}")).collect();
    let hundred: Vec<&str> = hundred.iter().map(String::as_str).collect();
    for (before, query, names, want) in [
        (&[][..], "n=3", &["a", "b"][..], None),
        (&[], "n=3", &[], None),
        (&[], "n=2", &["a", "b"], Some("n=2&last=b")),
        (&[], "n=2", &["a", "b", "c"], Some("n=2&last=c")),
        // The maximum of many servers, for any requested size.
        (&[], "n=1000", &hundred, Some("n=1000&last=a99")),
        (&[], "", &hundred, Some("last=a99")),
        (&[], "n=1000", &hundred[..99], None),
        (&[3], "n=1000", &["x", "y", "z"], Some("n=1000&last=z")),
        (&[3], "n=1000", &["x", "y"], None),
        // If pages differ in length, no length is the usual one.
        (&[3, 2, 3], "n=1000", &["x", "y"], Some("n=1000&last=y")),
        (&[3, 0], "n=1000", &["x", "y"], None),
    ] {
        let mut ending = EndDetector::new(false);
        for length in before {
            let names = &["a", "b", "c"][..*length];
            ending.linked(&page(names), &url(&format!("last={}", names.last().unwrap_or(&""))));
        }
        assert_eq!(asked(&mut ending, query, names).as_deref(), want, "{before:?} {query} {}", names.len());
    }
}

#[test]
fn last_is_asked_for_only_where_no_link_had_something_else() {
    let ask = |links: &[(&[&str], &str)], query: &str| {
        let mut ending = EndDetector::new(false);
        for (names, next) in links {
            ending.linked(&page(names), &url(next));
        }
        asked(&mut ending, query, &["c", "d"])
    };
    assert_eq!(ask(&[(&["a", "b"], "last=b&n=2")], "last=b&n=2").as_deref(), Some("last=d&n=2"));
    assert_eq!(
        ask(&[(&["a", "b"], "n=2&next_page=x%3D")], "n=2&next_page=x%3D").as_deref(),
        Some("n=1&next_page=x%3D")
    );
    assert_eq!(ask(&[(&["a", "b"], "last=2&n=2")], "last=2&n=2").as_deref(), Some("last=2&n=1"));
    // Amazon's links have no size.
    assert_eq!(ask(&[(&["a", "b"], "last=eyJ")], "last=eyJ").as_deref(), Some("last=eyJ"));
    let mut quay = EndDetector::new(true);
    assert_eq!(asked(&mut quay, "n=2", &["c", "d"]).as_deref(), Some("n=1"));
    for (query, want) in
        [("n=2&last=b", "n=2&last=d"), ("n=2&last=17", "n=1&last=17"), ("n=2&next_page=x", "n=1&next_page=x")]
    {
        let mut resumed = EndDetector::new(false).resumed(&url(query));
        assert_eq!(asked(&mut resumed, query, &["c", "d"]).as_deref(), Some(want));
    }
}

#[test]
fn a_page_is_asked_about_once() {
    let mut ending = EndDetector::new(false);
    assert!(asked(&mut ending, "n=2", &["a", "b"]).is_some());
    assert!(asked(&mut ending, "n=2&last=a", &["a", "b"]).is_none());
    assert!(asked(&mut ending, "n=2&last=b", &["c", "d"]).is_some());
}

/// The verdict after these answers to questions about `["a", "b"]`, requested with `n=2`.
fn told(cursors: bool, answers: &[Option<(&[&str], Option<&str>)>]) -> EndVerdict {
    let mut ending = EndDetector::new(cursors);
    let (requested, known) = (url("n=2"), page(&["a", "b"]));
    let mut question = ending.ask(&requested, &known).expect("a question");
    let mut told = None;
    for answer in answers {
        let heard = match answer {
            None => ProbeAnswer::Nothing,
            Some((names, next)) => ProbeAnswer::Page(page(names), next.map(url)),
        };
        let meant = ending.interpret(&question, (&requested, &known), heard);
        if let EndVerdict::Ask(next) = &meant {
            question = next.clone();
        }
        told = Some(meant);
    }
    told.expect("an answer")
}

#[test]
fn answers_are_believed() {
    let end = EndVerdict::End;
    // By names.
    assert_eq!(told(false, &[Some((&[], None))]), end(Certainty::Sure));
    assert_eq!(told(false, &[Some((&["c"], None))]), EndVerdict::Here);
    assert_eq!(told(false, &[Some((&["b", "c"], None))]), EndVerdict::Here);
    assert_eq!(told(false, &[Some((&[], Some("last=c")))]), EndVerdict::Here, "an empty page with a link goes on");
    // The list began again: the server does not page by names.
    assert_eq!(told(false, &[Some((&["a", "b"], Some("next_page=x")))]), EndVerdict::At(url("next_page=x")));
    for nothing in [None, Some((&["a", "b"][..], None))] {
        assert_eq!(told(false, &[nothing, Some((&["a"], Some("last=a")))]), EndVerdict::At(url("last=a")));
        assert_eq!(told(false, &[nothing, Some((&["a", "b"], None))]), end(Certainty::Repeated));
        assert_eq!(told(false, &[nothing, Some((&["a"], None))]), end(Certainty::Unknown));
        assert_eq!(told(false, &[nothing, None]), end(Certainty::Unknown));
    }
    // By cursors.
    assert_eq!(told(true, &[Some((&["a"], Some("next_page=x")))]), EndVerdict::At(url("next_page=x")));
    assert_eq!(told(true, &[Some((&["a", "b"], None))]), end(Certainty::Repeated));
    assert_eq!(told(true, &[Some((&["a"], None))]), end(Certainty::Unknown));
    assert_eq!(told(true, &[Some((&["a", "c"], None))]), EndVerdict::Here);
    assert_eq!(told(true, &[None]), end(Certainty::Unknown));
}

#[test]
fn a_server_that_knows_neither_size_nor_place_gives_all_at_once() {
    let mut ending = EndDetector::new(false);
    let (requested, known) = (url("n=2"), page(&["a", "b", "c"]));
    let question = ending.ask(&requested, &known).expect("a question");
    let heard = ProbeAnswer::Page(page(&["a", "b", "c"]), None);
    assert_eq!(ending.interpret(&question, (&requested, &known), heard), EndVerdict::End(Certainty::AllAtOnce));
}

#[test]
fn a_link_leads_nowhere_if_it_asks_for_the_same_or_for_the_beginning() {
    for (requested, next, nowhere) in [
        ("n=10&last=b", "n=10&last=", true),
        ("n=10&last=b", "n=10&last=b", true),
        ("n=10&last=b", "last=b&n=10", true),
        ("n=10&last=b", "n=10", true),
        ("n=10&next_page=b", "n=10&next_page=", true),
        ("n=10", "n=10", true),
        ("n=10&last=b", "n=10&last=c", false),
        ("n=10", "n=10&next_page=x", false),
    ] {
        assert_eq!(repeats_request(&url(next), &url(requested)), nowhere, "{requested} {next}");
    }
}
