//! Ranges against simulated lists: every name once, with a bounded number of requests, for any names, order and timing.

mod lists;

use std::collections::BTreeMap;

use super::*;
use crate::catalog::split::order::Orders;
use crate::catalog::split::plan::{RangeRequest, SplitMisfit, SplitPlan};
use crate::catalog::split::tests::lists::{List, Listing, names};

/// The result of a walk.
struct Walked {
    names: Vec<String>,
    requests: usize,
    /// Rounds in which each request in flight got an answer: the time, in latencies.
    rounds: usize,
    misfit: Option<SplitMisfit>,
    /// The saved plan after each page, with the number of names taken by then.
    saved: Vec<(usize, Vec<plan::Saved>)>,
}

/// Walks the plan after a first page, with answers in random order or round by round.
fn walk(list: &List, most: usize, random: Option<&mut fastrand::Rng>) -> Walked {
    let first = list.page(None);
    let walked = Walked {
        names: first.names.iter().map(str::to_owned).collect(),
        requests: 1,
        rounds: 1,
        misfit: None,
        saved: Vec::new(),
    };
    let mut orders = Orders::ALL;
    for pair in walked.names.windows(2) {
        orders.note(&pair[0], &pair[1]);
    }
    let Some(reached) = first.next.filter(|_| !orders.is_empty()) else { return go_on(list, walked) };
    let mut density = density::Density::default();
    density.learn(&first.names);
    let plan = SplitPlan::<()>::new(orders, density, (&walked.names[0], &reached), most);
    follow(list, plan, walked, random)
}

fn follow(list: &List, mut plan: SplitPlan<()>, mut walked: Walked, mut random: Option<&mut fastrand::Rng>) -> Walked {
    let mut asked: Vec<RangeRequest> = Vec::new();
    while !plan.is_done() {
        while let Some(ask) = (asked.len() < plan.most()).then(|| plan.ask()).flatten() {
            asked.push(ask);
        }
        assert!(!asked.is_empty(), "nobody is asked and nothing is done: {plan:?}");
        walked.rounds += 1;
        let answers = match &mut random {
            Some(random) => vec![asked.swap_remove(random.usize(..asked.len()))],
            None => std::mem::take(&mut asked),
        };
        for ask in answers {
            walked.requests += 1;
            if let Err(misfit) = take_in(list, &mut plan, &ask, &mut walked) {
                walked.misfit = Some(misfit);
                let certain = plan.certain().expect("not done").to_owned();
                walked.names.extend(list.rest(&certain));
                return walked;
            }
        }
    }
    walked
}

fn take_in(list: &List, plan: &mut SplitPlan<()>, ask: &RangeRequest, walked: &mut Walked) -> Result<(), SplitMisfit> {
    plan.answered(ask.id, list.page(Some(&ask.after)))?;
    while let Some(range_page) = plan.take()? {
        walked.names.extend(range_page.names.iter().map(str::to_owned));
        walked.saved.push((walked.names.len(), plan.saved()));
    }
    Ok(())
}

/// Walks without ranges, from the first page.
fn go_on(list: &List, mut walked: Walked) -> Walked {
    let reached = walked.names.last().cloned().unwrap_or_default();
    walked.names.extend(list.rest(&reached));
    walked
}

fn counted(names: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn every_name_comes_once_and_the_walk_ends() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let listing = if random.bool() { Listing::Byte } else { Listing::Path };
        let list = List::new(names(&mut random, 2000), listing, random.usize(1..60));
        let most = random.usize(1..40);
        let walked = walk(&list, most, Some(&mut random));
        assert_eq!(walked.misfit, None, "seed {seed}");
        assert!(counted(&walked.names).into_values().all(|count| count == 1), "seed {seed}: a name twice");
        assert_eq!(walked.names.len(), list.len(), "seed {seed}");
        let pages = list.len().div_ceil(list.page_size);
        let bound = pages + pages / 2 + 4 * most.min(16) + 2;
        assert!(walked.requests <= bound, "seed {seed}: {} for {pages}, {most} at a time", walked.requests);
    }
}

#[test]
fn in_other_orders_every_name_comes_all_the_same() {
    let mut noticed = 0;
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let listing = *random.choice(&Listing::STRANGE).expect("some");
        let list = List::new(names(&mut random, 1000), listing, random.usize(1..60));
        let most = random.usize(1..40);
        let walked = walk(&list, most, Some(&mut random));
        noticed += usize::from(walked.misfit.is_some());
        assert_eq!(counted(&walked.names).len(), list.len(), "seed {seed}, {listing:?}: a name is lost");
    }
    assert!(noticed > 100, "the test meets lists that do not fit: {noticed}");
}

#[test]
fn a_walk_goes_on_from_any_page() {
    for seed in 0..30 {
        let mut random = fastrand::Rng::with_seed(seed);
        let listing = if random.bool() { Listing::Byte } else { Listing::Path };
        let list = List::new(names(&mut random, 400), listing, random.usize(2..30));
        let whole = walk(&list, random.usize(1..20), Some(&mut random));
        for (taken, saved) in whole.saved {
            let names = whole.names[..taken].to_vec();
            let walked = Walked { names, requests: 0, rounds: 0, misfit: None, saved: Vec::new() };
            let most = random.usize(1..20);
            let walked = follow(&list, SplitPlan::resumed(saved, most), walked, Some(&mut random));
            assert_eq!(walked.misfit, None, "seed {seed}");
            assert_eq!(counted(&walked.names).len(), list.len(), "seed {seed} after {taken}");
            assert_eq!(walked.names.len(), list.len(), "seed {seed} after {taken}: a name twice");
        }
    }
}

/// Well below the bounds for 16 connections: 1.25 times the requests and 0.20 times the time of a walk without ranges.
#[test]
fn sixteen_connections_are_eight_times_as_fast_for_few_more_requests() {
    for (shape, names) in lists::large(50_000) {
        for listing in [Listing::Byte, Listing::Path] {
            let list = List::new(names.clone(), listing, 50);
            let walked = walk(&list, 16, None);
            let pages = list.len().div_ceil(50);
            assert_eq!(walked.names.len(), list.len(), "{shape}");
            let (requests, rounds) = (walked.requests * 100 / pages, walked.rounds * 1000 / pages);
            println!("{shape:<12} {listing:?}: {requests}% of the requests, {rounds}‰ of the time");
            assert!(requests <= 125 && rounds <= 120, "{shape}: {requests}% of the requests, {rounds}‰ of the time");
        }
    }
}
