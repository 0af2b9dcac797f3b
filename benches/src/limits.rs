//! Measures what must stay limited: the resident memory for large registries, and the number of requests.

use crate::BenchError;
use crate::contenders::{ReadDepth, Task};
use crate::rounds::{MILLION, ServerProcess, contend, scenario};
use crate::server::{Content, Kind, Seen};
use crate::tags::REPOSITORIES;

/// The peak resident memory of a complete run.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn memory(rounds: usize) -> Result<(), BenchError> {
    println!("\nresident size of stocktake, MiB, {rounds} rounds, medians");
    println!("goals: catalogs within 8 MiB of each other and <= 64 (aim 48); tags <= 96 (aim 64)\n");
    for repositories in [10_000, 100_000, MILLION] {
        let content = Content::of(repositories);
        let measured = scenario(content, Task::catalog(repositories), &["stocktake"], rounds).await?;
        println!("catalog of {repositories:>9} repositories {:>8.1}", measured.median(0, |one| one.mib));
    }
    for connections in [16, 256] {
        let content = Content { tags: 10, server: Kind::Canned, ..Content::of(REPOSITORIES) };
        let task = Task::contents(ReadDepth::Tags, connections, 10 * REPOSITORIES);
        let measured = scenario(content, task, &["stocktake"], rounds).await?;
        let mib = measured.median(0, |one| one.mib);
        println!("{:>7} tags of {REPOSITORIES} repositories on {connections:>3} connections {mib:>8.1}", task.rows);
    }
    Ok(())
}

/// The expected number of requests, and the number that the server received.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn wire() -> Result<(), BenchError> {
    println!("\nrequests on the wire, 1000 names per page; other: unexpected requests");
    println!(
        "{:<34} {:>5} {:>6} {:>7} {:>6} {:>9} {:>7} {:>5} {:>11} {:>9}",
        "", "ping", "token", "catalog", "tags", "manifest", "config", "other", "connections", "in flight"
    );
    let large = (MILLION, ReadDepth::Repositories, 16, Kind::Open);
    let of = |depth, server| (REPOSITORIES, depth, 64, server);
    for (repositories, depth, connections, server) in [
        large,
        of(ReadDepth::Tags, Kind::Open),
        of(ReadDepth::Tags, Kind::Tokens),
        of(ReadDepth::Manifests, Kind::Open),
        of(ReadDepth::Manifests, Kind::Tokens),
    ] {
        // With latency, several requests are in flight at the same time.
        let content = Content { tags: 1, server, latency_ms: 2, ..Content::of(repositories) };
        let deep = |least: ReadDepth| if depth as u8 >= least as u8 { repositories } else { 0 };
        // One token for the catalog, and one for every twenty repositories of a page.
        let tokens = if server == Kind::Tokens { 1 + deep(ReadDepth::Tags).div_ceil(20) } else { 0 };
        let manifests = deep(ReadDepth::Manifests);
        let expected = Seen {
            pings: 1,
            tokens,
            // After a full last page, one request finds out that it is the last. With tokens, the first request is refused, because
            // only the refusal names the scope.
            catalog: repositories.div_ceil(1000)
                + u64::from(repositories.is_multiple_of(1000))
                + u64::from(server == Kind::Tokens),
            tags: deep(ReadDepth::Tags),
            manifests,
            blobs: manifests,
            connections,
            most_in_flight: connections,
            ..Seen::default()
        };
        let mut process = ServerProcess::start(content).await?;
        let task = Task { login: server == Kind::Tokens, ..Task::contents(depth, connections, repositories) };
        contend("stocktake", &process.url, task, None).await?;
        let seen = process.seen().await?;
        let title = format!("{repositories} {depth:?}, {server:?}");
        print(&format!("{title}: expected"), &expected, "<=");
        print(&format!("{title}: seen"), &seen, "");
        let exact = Seen { connections, most_in_flight: connections, ..seen };
        let within = seen.connections <= connections && seen.most_in_flight <= connections;
        println!("{:<34} {}", "", if within && exact == expected { "met" } else { "NOT MET" });
    }
    Ok(())
}

#[allow(clippy::print_stdout)] // this is a program for a terminal
fn print(title: &str, seen: &Seen, bound: &str) {
    println!(
        "{title:<34} {:>5} {:>6} {:>7} {:>6} {:>9} {:>7} {:>5} {:>11} {:>9}",
        seen.pings,
        seen.tokens,
        seen.catalog,
        seen.tags,
        seen.manifests,
        seen.blobs,
        seen.other + seen.heads,
        format!("{bound}{}", seen.connections),
        format!("{bound}{}", seen.most_in_flight),
    );
}
