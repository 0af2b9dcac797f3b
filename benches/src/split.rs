//! A catalog far away, walked in one and in ranges by stocktake's own client, which writes nothing here.

use std::collections::HashSet;

use futures::StreamExt;
use stocktake::registry::{Auth, Client, Kind, Settings, Split};
use url::Url;

use crate::Failure;
use crate::measure::{Measured, median};
use crate::rounds::{MILLION, scenario};
use crate::server::{Content, Shape};

const LATENCY_MS: u64 = 20;

/// The table: at most 0.20 of the time and 1.25 times the requests are the goals.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn rows(rounds: usize) -> Result<(), Failure> {
    println!(
        "\ncatalog of {MILLION} at {LATENCY_MS} ms, in one and in ranges on 16 connections, {rounds} rounds, medians"
    );
    println!("names    order      in one  in ranges     ratio  requests     ratio");
    for (shape, path_order) in
        [(Shape::Even, false), (Shape::Even, true), (Shape::Skewed, false), (Shape::Skewed, true)]
    {
        let content = Content { shape, path_order, latency_ms: LATENCY_MS, ..Content::of(MILLION) };
        let measured = scenario(content, &["in-one", "in-ranges"], rounds).await?;
        let of = |value: fn(&[Measured]) -> f64| median(measured.iter().map(|round| value(round)));
        let order = if path_order { "path" } else { "byte" };
        #[allow(clippy::cast_precision_loss)] // for the eye
        let requests = |one: &Measured| one.requests as f64;
        let more = median(measured.iter().map(|round| requests(&round[1]) / requests(&round[0])));
        println!(
            "{:<8} {order:<5} {:>8.2} s {:>8.2} s {:>9.3} {:>9} {more:>9.3}",
            format!("{shape:?}"),
            of(|round| round[0].seconds),
            of(|round| round[1].seconds),
            of(|round| round[1].seconds / round[0].seconds),
            median(measured.iter().map(|round| requests(&round[1]))),
        );
    }
    Ok(())
}

/// Lists all names, each of which has to come once.
pub(crate) async fn list(url: &Url, split: Split, requests: &mut u64) -> Result<u64, Failure> {
    // The server gives itself out for docker-registry, which is never split of its own accord.
    let kind = Some(Kind::Zot);
    let settings = Settings { auth: Auth::None, kind, split, ..Settings::new("bench".parse()?, url.clone()) };
    let client = Client::new(settings)?;
    let mut pages = client.catalog(None);
    let mut seen = HashSet::new();
    while let Some(page) = pages.next().await {
        for name in page?.names.iter() {
            if !seen.insert(name.to_owned()) {
                return Err(format!("{name} came twice").into());
            }
        }
    }
    *requests = client.stats().requests;
    Ok(seen.len() as u64)
}
