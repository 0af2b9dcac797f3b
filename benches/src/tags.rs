//! Reads the tags and manifests of ten thousand repositories on many connections: the floor, other clients and stocktake.

use crate::BenchError;
use crate::contenders::{ReadDepth, Task};
use crate::peers;
use crate::rounds::{ServerProcess, contend, scenario};
use crate::server::{Content, Kind};

pub(crate) const REPOSITORIES: u64 = 10_000;

/// Latency, connections, the measured ratio of `oha` to the floor, and the required and the desired ratio of stocktake to `oha`.
/// With 256 connections, `oha` was not measured; its ratio is assumed to be the same.
const ROWS: [(u64, usize, f64, f64, f64); 3] =
    [(20, 64, 1.01, 1.10, 1.05), (20, 256, 1.01, 1.25, 1.15), (0, 64, 1.6, 3.0, 2.0)];

/// Reads the catalog and one page of tags of each repository.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn rows(rounds: usize) -> Result<(), BenchError> {
    println!("\ncatalog and tags of {REPOSITORIES} repositories, one tag each, rounds in turn, medians");
    println!("the floor reads tags while the catalog comes, oci-client after it, oha only tags; stocktake also writes");
    let oha = peers::oha();
    if oha.is_none() {
        println!("`oha` is not installed (cargo install oha --root target/peers)");
    }
    println!("\nlatency  connections  contender    seconds   x floor     x oha  CPU us/request      MiB");
    for (latency_ms, connections, oha_to_floor, must, aim) in ROWS {
        // Without latency, the work of the fake registry would be most of the time.
        let server = if latency_ms == 0 { Kind::Canned } else { Kind::Open };
        let content = Content { latency_ms, tags: 1, server, ..Content::of(REPOSITORIES) };
        let task = Task::contents(ReadDepth::Tags, connections, REPOSITORIES);
        let mut names = vec!["floor", "stocktake"];
        names.extend(oha.is_some().then_some("oha"));
        names.extend((latency_ms == 20 && connections == 64).then_some("oci-client"));
        let rounds = if latency_ms == 0 { rounds } else { rounds.min(3) };
        let measured = scenario(content, task, &names, rounds).await?;
        #[allow(clippy::cast_precision_loss)] // for the eye
        let requests = (REPOSITORIES + REPOSITORIES / 1000) as f64;
        for (at, name) in names.iter().enumerate() {
            // `oha` is another process, so its memory is not measured here.
            let mib = if *name == "oha" { String::new() } else { format!("{:.1}", measured.median(at, |one| one.mib)) };
            let to_oha = oha.as_ref().map(|_| format!("{:.2}", measured.ratio(at, 2, |one| one.seconds)));
            println!(
                "{latency_ms:>4} ms  {connections:>11}  {name:<11} {:>8.3} {:>9.2} {:>9} {:>15.1} {mib:>8}",
                measured.median(at, |one| one.seconds),
                measured.ratio(at, 0, |one| one.seconds),
                to_oha.unwrap_or_default(),
                measured.median(at, |one| one.cpu) * 1e6 / requests,
            );
        }
        println!(
            "    goal: <= {must:.2} x oha (aim {aim:.2}); oha was once at {oha_to_floor:.2} x floor, so <= {:.2} x floor (aim {:.2})",
            must * oha_to_floor,
            aim * oha_to_floor
        );
    }
    Ok(())
}

/// Reads the catalog, and tags, manifest and configuration of each repository. Then the same for a second night.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn manifests(rounds: usize) -> Result<(), BenchError> {
    println!("\nmanifests of {REPOSITORIES} repositories at 20 ms on 64 connections, {rounds} rounds in turn, medians");
    println!("catalog, tags, manifest and configuration of one image each; goal: <= 1.10 x floor (aim 1.05)\n");
    println!("contender    seconds   x floor  CPU us/request      MiB");
    let content = Content { latency_ms: 20, tags: 1, ..Content::of(REPOSITORIES) };
    let task = Task::contents(ReadDepth::Manifests, 64, REPOSITORIES);
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

/// Runs two nights. Goal: at least 90% fewer requests for manifests in the second night.
#[allow(clippy::print_stdout)] // this is a program for a terminal
async fn nights() -> Result<(), BenchError> {
    println!("\nnight      seconds  all requests  GET manifests  HEAD  configurations  (nothing changed in between)");
    let content = Content { tags: 1, ..Content::of(REPOSITORIES) };
    let task = Task::contents(ReadDepth::Manifests, 64, REPOSITORIES);
    let kept = tempfile::tempdir_in(".")?;
    let mut server = ServerProcess::start(content).await?;
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
