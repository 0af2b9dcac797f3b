//! Lists a catalog with high latency with the client of stocktake, in one sequence and in parallel ranges. Writes nothing.

use std::collections::HashSet;

use futures::StreamExt;
use stocktake::registry::Auth;
use stocktake::registry::Client;
use stocktake::registry::RegistryKind;
use stocktake::registry::RegistrySettings;
use stocktake::registry::Split;
use url::Url;

use crate::BenchError;
use crate::contenders::Task;
use crate::measure::Measured;
use crate::rounds::{MILLION, scenario};
use crate::server::{Content, NameSpread};

const LATENCY_MS: u64 = 20;

/// Runs the benchmark and prints the table.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn rows(rounds: usize) -> Result<(), BenchError> {
    println!(
        "\ncatalog of {MILLION} at {LATENCY_MS} ms, in one and in ranges on 16 connections, {rounds} rounds, medians"
    );
    println!("goals: <= 0.20 of the time (aim 0.10), <= 1.25 times the requests, every name once\n");
    println!("names    order      in one  in ranges     ratio  requests     ratio");
    for (shape, path_order) in
        [(NameSpread::Even, false), (NameSpread::Even, true), (NameSpread::Skewed, false), (NameSpread::Skewed, true)]
    {
        let content = Content { shape, path_order, latency_ms: LATENCY_MS, ..Content::of(MILLION) };
        let measured = scenario(content, Task::catalog(MILLION), &["in-one", "in-ranges"], rounds).await?;
        let order = if path_order { "path" } else { "byte" };
        #[allow(clippy::cast_precision_loss)] // for the eye
        let requests = |one: &Measured| one.requests as f64;
        println!(
            "{:<8} {order:<5} {:>8.2} s {:>8.2} s {:>9.3} {:>9} {:>9.3}",
            format!("{shape:?}"),
            measured.median(0, |one| one.seconds),
            measured.median(1, |one| one.seconds),
            measured.ratio(1, 0, |one| one.seconds),
            measured.median(1, requests),
            measured.ratio(1, 0, requests),
        );
    }
    Ok(())
}

/// Lists all names. Each name must occur exactly once.
pub(crate) async fn list(url: &Url, split: Split, requests: &mut u64) -> Result<u64, BenchError> {
    // The server identifies itself as docker-registry, whose catalog is not split by default.
    let kind = Some(RegistryKind::Zot);
    let settings = RegistrySettings { auth: Auth::None, kind, split, ..RegistrySettings::new("bench", url.clone()) };
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
