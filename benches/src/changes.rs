//! Computes table `changes` of two nights of ten million tags, and lets `DuckDB` join the same rows from Parquet files.

use std::path::Path;
use std::process::Stdio;

use chrono::{DateTime, TimeDelta, Utc};
use stocktake::snapshot::{
    Depth, ListCoverage, MonitoredNames, NameFilter, Night, RepositoryRow, RepositoryState, Scope, Sealed, Spool,
    TagRow, compare,
};
use stocktake_sink::{RunRecord, Sink, SnapshotId, Table, Verdict, contract};
use stocktake_sink_objects::Target;
use stocktake_sink_parquet::ParquetSink;
use tokio::process::Command;

use crate::BenchError;
use crate::contenders::{ReadDepth, Task};
use crate::measure::median;
use crate::rounds::contend;

const ROWS: u64 = 10_000_000;
const TAGS: u64 = 10;
/// Of so many tags one has moved, and of ten times as many one has gone and one has come.
const MOVED: u64 = 100;

/// The same work by `DuckDB`: what differs, on one thread.
const JOIN: &str = "
import sys, time, duckdb
root = sys.argv[1]
db = duckdb.connect(config={'threads': 1})
db.execute('set enable_progress_bar = false')
begun = time.perf_counter()
db.execute(f'''copy (
    select coalesce(a.repository, b.repository) as repository, coalesce(a.tag, b.tag) as tag, a.digest as old_digest,
           b.digest as new_digest
    from read_parquet('{root}/night-0/v1/tags/*/*/*.parquet') a
    full join read_parquet('{root}/night-1/v1/tags/*/*/*.parquet') b using (repository, tag)
    where a.digest is distinct from b.digest or a.tag is null or b.tag is null
) to '{root}/joined.parquet' ''')
seconds = time.perf_counter() - begun
print(db.execute(f'''select count(*) from '{root}/joined.parquet' ''').fetchone()[0], seconds)
";

/// Runs the benchmark and prints the table.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn rows(rounds: usize) -> Result<(), BenchError> {
    println!("\nchanges between two nights of {ROWS} tags, {rounds} rounds, medians");
    println!("goals: <= 0.4 x DuckDB's full join on one thread (aim 0.2), <= 64 MiB resident (aim 32)\n");
    let scratch = tempfile::tempdir_in(".")?;
    let kept = scratch.path().to_owned();
    let prepared = tokio::task::spawn_blocking(move || prepare(&kept)).await??;
    for (night, sealed) in prepared.iter().enumerate() {
        let target = Target::directory(scratch.path().join(format!("night-{night}")));
        ParquetSink::new(&target).publish(&sealed.snapshot).await?;
    }
    let expected = ROWS / MOVED + 2 * (ROWS / (10 * MOVED));
    let task = Task::contents(ReadDepth::Tags, 1, expected);
    let (mut ours, mut cpu, mut resident, mut theirs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let measured = contend("changes", "http://no.example:1", task, Some(scratch.path())).await?;
        ours.push(measured.seconds);
        cpu.push(measured.cpu);
        resident.push(measured.mib);
        let (rows, seconds) = join(scratch.path()).await?;
        if rows != expected {
            return Err(format!("DuckDB found {rows} of {expected} changes").into());
        }
        theirs.push(seconds);
    }
    let ratio = median(ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs));
    let (ours, theirs, cpu, resident) = (median(ours), median(theirs), median(cpu), median(resident));
    println!("stocktake {ours:>8.2} s ({cpu:.2} s of CPU), {resident:.1} MiB resident");
    println!("DuckDB    {theirs:>8.2} s");
    println!("ratio     {ratio:>8.3}");
    Ok(())
}

async fn join(root: &Path) -> Result<(u64, f64), BenchError> {
    let python = std::env::var("STOCKTAKE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new("taskset");
    command.args(["-c", "1", &python, "-c", JOIN]).arg(root);
    let done = command.stderr(Stdio::inherit()).output().await?;
    let told = String::from_utf8(done.stdout)?;
    let (rows, seconds) = told.trim().split_once(' ').ok_or("DuckDB failed; does $STOCKTAKE_TEST_PYTHON have it?")?;
    Ok((rows.parse()?, seconds.parse()?))
}

/// The work of one contender: compares the nights below this directory.
pub(crate) fn compute(directory: &Path) -> Result<u64, BenchError> {
    let nights = [0, 1].map(|night| directory.join(format!("sealed-{night}")));
    let last = Sealed::open(&nights[0])?;
    let (scope, run_id) = (scope(), id(1)?.run_id());
    let night = Night { directory: &nights[1], scope: &scope, run_id: &run_id, detected_at: slot(1)? };
    Ok(compare(Some(&last), &night)?.total())
}

fn scope() -> Scope {
    Scope {
        depth: Depth::Manifests,
        filter: NameFilter::default(),
        monitored: MonitoredNames::default(),
        list: ListCoverage::Whole,
        source: String::new(),
    }
}

fn slot(night: u64) -> Result<DateTime<Utc>, BenchError> {
    let first = DateTime::from_timestamp(1_767_225_600, 0).ok_or("no time")?;
    Ok(first + TimeDelta::days(i64::try_from(night)?))
}

fn id(night: u64) -> Result<SnapshotId, BenchError> {
    Ok(SnapshotId::new("bench".parse()?, slot(night)?))
}

/// Seals both nights below this directory.
fn prepare(root: &Path) -> Result<Vec<Sealed>, BenchError> {
    (0..2).map(|night| prepare_night(root, night)).collect()
}

fn prepare_night(root: &Path, night: u64) -> Result<Sealed, BenchError> {
    let mut spool = Spool::create(&root.join("walk"), &[Table::Repositories, Table::Tags])?;
    let observed_at = slot(night)?;
    for repository in 0..ROWS / TAGS {
        let name = format!("team-{:05}/service-{:03}", repository / 60, repository % 60);
        let (state, tag_count) = (RepositoryState::Complete, None);
        spool.push(&RepositoryRow {
            observed_at,
            repository: &name,
            tag_count,
            state,
            error_code: None,
            monitored: false,
        })?;
        for tag in 0..TAGS {
            let row = repository * TAGS + tag;
            // The last tag of some repositories has another name on the second night: one went, one came.
            let is_renamed = row % (10 * MOVED) == 10 * MOVED - 1 && night == 1;
            let is_moved = row.is_multiple_of(MOVED) && night == 1;
            let tag = format!("v{tag}{}", if is_renamed { "-rc" } else { "" });
            let digest = digest(row, is_moved);
            let media_type = Some("application/vnd.oci.image.manifest.v1+json");
            let (repository, size_bytes) = (name.as_str(), Some(1_000));
            spool.push_tag(&TagRow {
                observed_at,
                repository,
                tag: &tag,
                digest: Some(&digest),
                media_type,
                size_bytes,
            })?;
        }
    }
    let mut unsealed = spool.finish()?;
    // An empty table of changes, as on a first night.
    let walk = root.join("walk");
    let counts = compare(None, &Night { directory: &walk, scope: &scope(), run_id: "", detected_at: observed_at })?;
    unsealed.compared(scope(), counts);
    let record = RunRecord { rows_tags: ROWS, ..contract::record(&id(night)?, Verdict::Complete, ROWS / TAGS) };
    Ok(unsealed.seal(record, &root.join(format!("sealed-{night}")))?)
}

/// What looks like a digest, and has as little order as one.
fn digest(row: u64, is_moved: bool) -> String {
    let mut random = fastrand::Rng::with_seed(row * 2 + u64::from(is_moved));
    let [a, b, c, d] = std::array::from_fn(|_| random.u64(..));
    format!("sha256:{a:016x}{b:016x}{c:016x}{d:016x}")
}
