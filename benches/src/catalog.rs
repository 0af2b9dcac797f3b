//! Lists a catalog with stocktake and with other clients, and measures the memory of stocktake.

use crate::BenchError;
use crate::contenders::Task;
use crate::rounds::{MILLION, scenario};
use crate::server::Content;

/// Without latency, against all contenders. With 20 ms of latency, only against the floor, because a round takes almost a minute.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn rows(rounds: usize) -> Result<(), BenchError> {
    println!("\ncatalog of {MILLION} repositories, split: off, {rounds} rounds in turn (3 at 20 ms), medians");
    println!("stocktake also writes sorted Parquet and fsyncs it; the others only list");
    println!("goals: 0 ms <= 1.8 x oci-client (aim 1.1), 20 ms <= 1.05 x floor (aim 1.02)\n");
    println!("latency  contender    seconds   x floor  x oci-client     CPU s      MiB");
    let all = &["floor", "oci-client", "stocktake"][..];
    for (latency_ms, names, rounds) in [(0, all, rounds), (20, &["floor", "stocktake"][..], rounds.min(3))] {
        let content = Content { latency_ms, ..Content::of(MILLION) };
        let measured = scenario(content, Task::catalog(MILLION), names, rounds).await?;
        let oci = names.iter().position(|name| *name == "oci-client");
        for (at, name) in names.iter().enumerate() {
            let to_oci = oci.map(|oci| format!("{:.2}", measured.ratio(at, oci, |one| one.seconds)));
            println!(
                "{latency_ms:>4} ms  {name:<11} {:>8.3} {:>9.2} {:>13} {:>9.2} {:>8.1}",
                measured.median(at, |one| one.seconds),
                measured.ratio(at, 0, |one| one.seconds),
                to_oci.unwrap_or_default(),
                measured.median(at, |one| one.cpu),
                measured.median(at, |one| one.mib),
            );
        }
    }
    Ok(())
}
