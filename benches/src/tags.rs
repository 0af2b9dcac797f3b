//! The tags and manifests of ten thousand repositories: the floor, peers and stocktake on many connections.

use crate::Failure;
use crate::contenders::{Depth, Task};
use crate::measure::median;
use crate::peers;
use crate::rounds::{Server, contend, scenario};
use crate::server::{self, Content, Kind};

pub(crate) const REPOSITORIES: u64 = 10_000;

/// Latency, connections, what `oha` was measured at against the floor, and what stocktake must and should be at against
/// `oha`. The last row of 20 ms was not measured with `oha`: taken for the floor.
const ROWS: [(u64, usize, f64, f64, f64); 3] =
    [(20, 64, 1.01, 1.10, 1.05), (20, 256, 1.01, 1.25, 1.15), (0, 64, 1.6, 3.0, 2.0)];

/// Catalog and one page of tags of each repository.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn rows(rounds: usize) -> Result<(), Failure> {
    let oha = peers::oha();
    println!("\ncatalog and tags of {REPOSITORIES} repositories, one tag each, rounds in turn, medians");
    println!(
        "the floor parses and reads tags while the catalog comes; oci-client reads them after it; stocktake also writes"
    );
    println!(
        "the goals are against `oha`, which was measured at 1.6 x floor (0 ms) and 1.01 x floor (20 ms): converted"
    );
    if oha.is_none() {
        println!("`oha` itself was not found (cargo install oha --root target/peers)");
    }
    println!("\nlatency  connections  contender    seconds   x floor      must       aim  CPU us/request      MiB");
    for (latency_ms, connections, oha_to_floor, must, aim) in ROWS {
        // The fake's own work would hide ours where nothing else takes time.
        let server = if latency_ms == 0 { Kind::Canned } else { Kind::Open };
        let content = Content { latency_ms, tags: 1, server, ..Content::of(REPOSITORIES) };
        let task = Task { depth: Depth::Tags, connections, rows: REPOSITORIES };
        let with_oci = latency_ms == 20 && connections == 64;
        let names = if with_oci { &["floor", "stocktake", "oci-client"][..] } else { &["floor", "stocktake"] };
        let rounds = if latency_ms == 0 { rounds } else { rounds.min(3) };
        let measured = scenario(content, task, names, rounds).await?;
        #[allow(clippy::cast_precision_loss)] // for the eye
        let requests = (REPOSITORIES + REPOSITORIES / 1000) as f64;
        let line = format!("{latency_ms:>4} ms  {connections:>11}");
        for (at, name) in names.iter().enumerate() {
            let goal =
                |goal: f64| if *name == "stocktake" { format!("{:.2}", goal * oha_to_floor) } else { String::new() };
            println!(
                "{line}  {name:<11} {:>8.3} {:>9.2} {:>9} {:>9} {:>15.1} {:>8.1}",
                measured.median(at, |one| one.seconds),
                measured.ratio(at, 0, |one| one.seconds),
                goal(must),
                goal(aim),
                measured.median(at, |one| one.cpu) * 1e6 / requests,
                measured.median(at, |one| one.mib),
            );
        }
        if let Some(oha) = &oha {
            let floor = measured.median(0, |one| one.seconds);
            let names: Vec<String> = server::names(content).iter().map(str::to_owned).collect();
            let server = Server::start(content).await?;
            let mut seconds = Vec::new();
            for _ in 0..rounds {
                seconds.push(peers::fetch_tags(oha, &server.url, &names, connections).await?);
            }
            let seconds = median(seconds);
            println!("{line}  {:<11} {seconds:>8.3} {:>9.2}", "oha", seconds / floor);
            println!("{line}  stocktake is at {:.2} x oha", measured.median(1, |one| one.seconds) / seconds);
        }
    }
    Ok(())
}

/// Catalog, tags, manifest and configuration of each repository, and the same a night later.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn manifests(rounds: usize) -> Result<(), Failure> {
    println!("\nmanifests of {REPOSITORIES} repositories at 20 ms on 64 connections, {rounds} rounds in turn, medians");
    println!("catalog, tags, manifest and configuration of one image each; goal: <= 1.10 x floor (aim 1.05)\n");
    println!("contender    seconds   x floor  CPU us/request      MiB");
    let content = Content { latency_ms: 20, tags: 1, ..Content::of(REPOSITORIES) };
    let task = Task { depth: Depth::Manifests, connections: 64, rows: REPOSITORIES };
    let names = ["floor", "stocktake"];
    let measured = scenario(content, task, &names, rounds).await?;
    #[allow(clippy::cast_precision_loss)] // for the eye
    let requests = (3 * REPOSITORIES + REPOSITORIES / 1000) as f64;
    for (at, name) in names.iter().enumerate() {
        println!(
            "{name:<11} {:>8.3} {:>9.2} {:>15.1} {:>8.1}",
            measured.median(at, |one| one.seconds),
            measured.ratio(at, 0, |one| one.seconds),
            measured.median(at, |one| one.cpu) * 1e6 / requests,
            measured.median(at, |one| one.mib),
        );
    }
    nights().await
}

/// Two nights in a row; goal: at least 90% fewer requests for manifests in the second.
#[allow(clippy::print_stdout)] // this is a program for a terminal
async fn nights() -> Result<(), Failure> {
    println!("\nnight      seconds  all requests  GET manifests  HEAD  configurations  (nothing changed in between)");
    let content = Content { tags: 1, ..Content::of(REPOSITORIES) };
    let task = Task { depth: Depth::Manifests, connections: 64, rows: REPOSITORIES };
    let kept = tempfile::tempdir_in(".")?;
    let mut server = Server::start(content).await?;
    let mut counts = Vec::new();
    for night in ["first", "second"] {
        let before = server.seen().await?;
        let measured = contend("stocktake", &server.url, task, Some(kept.path())).await?;
        let after = server.seen().await?;
        let all = after.requests() - before.requests();
        let manifests = after.manifests - before.manifests;
        let (heads, blobs) = (after.heads - before.heads, after.blobs - before.blobs);
        println!("{night:<8} {:>9.2} {all:>13} {manifests:>14} {heads:>5} {blobs:>15}", measured.seconds);
        counts.push((all, manifests));
    }
    if let [(all, manifests), (later_all, later_manifests)] = counts[..] {
        #[allow(clippy::cast_precision_loss)] // for the eye
        let fewer = |before: u64, after: u64| 100.0 * (1.0 - after as f64 / before as f64);
        println!("fewer: {:.1}% of all, {:.1}% of manifests", fewer(all, later_all), fewer(manifests, later_manifests));
    }
    Ok(())
}
