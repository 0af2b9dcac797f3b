use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int32Type;
use arrow_json::ReaderBuilder;
use parking_lot::Mutex;
use stocktake_sink::contract::{self, Harness, Visible};
use stocktake_sink::{MemoryRows, SinkErrorKind, SnapshotId, Table, Verdict, offset_schema};

use super::*;

/// An output that can be read while the sink holds it.
#[derive(Clone, Default)]
struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

impl SharedBuffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

impl Write for SharedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The outputs of all processes. Each has one of its own and so knows nothing of what another printed: equal snapshots
/// on different outputs are one, twice on the same they are two.
#[derive(Default)]
struct Outputs(Mutex<Vec<SharedBuffer>>);

#[async_trait]
impl Harness for Outputs {
    async fn open(&self) -> Arc<dyn Sink> {
        let output = SharedBuffer::default();
        self.0.lock().push(output.clone());
        Arc::new(StdoutSink::to(StdoutFormat::Jsonl, Box::new(output)))
    }

    async fn visible(&self) -> Vec<Visible> {
        let mut all: Vec<Visible> = Vec::new();
        for output in self.0.lock().iter() {
            let printed = snapshots(&output.text());
            let new: Vec<_> = printed.into_iter().filter(|p| !all.contains(p)).collect();
            all.extend(new);
        }
        all
    }

    async fn plant_leftovers(&self, _: &SnapshotId) {
        // An unnamed temporary file dies with its process.
    }

    async fn leftovers(&self) -> Vec<String> {
        // What follows the last run's own row: rows of a snapshot that never ended.
        let rest = |text: String| match text.rsplit_once("\"verdict\":") {
            Some((_, end)) => end.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned()),
            None => text,
        };
        let outputs = self.0.lock();
        outputs.iter().map(|o| rest(o.text())).filter(|rest| !rest.is_empty()).collect()
    }
}

/// A snapshot ends in its run's own row.
fn snapshots(text: &str) -> Vec<Visible> {
    let mut all = Vec::new();
    let mut lines: BTreeMap<Table, String> = BTreeMap::new();
    for line in text.split_inclusive('\n') {
        let table = table_of(line);
        lines.entry(table).or_default().push_str(line);
        if table == Table::Runs {
            let tables = std::mem::take(&mut lines).into_iter().map(|(table, text)| (table, decoded(table, &text)));
            let tables: BTreeMap<_, _> = tables.collect();
            let run = &tables[&Table::Runs][0];
            let run_id = run.column_by_name("run_id").unwrap().as_string::<i32>().value(0);
            let generation = run.column_by_name("generation").unwrap().as_primitive::<Int32Type>().value(0);
            all.push(Visible { id: format!("{run_id}.g{generation}"), tables });
        }
    }
    all
}

/// A column tells, that no other table has.
fn table_of(line: &str) -> Table {
    let has = |column: &str| line.contains(&format!("\"{column}\":"));
    match line {
        _ if has("verdict") => Table::Runs,
        _ if has("kind") => Table::Manifests,
        _ if has("entity") => Table::Changes,
        _ if has("tag") => Table::Tags,
        _ => Table::Repositories,
    }
}

fn decoded(table: Table, text: &str) -> Vec<RecordBatch> {
    let reader = ReaderBuilder::new(offset_schema(&table.schema())).build(text.as_bytes()).unwrap();
    reader.map(|batch| contract::as_written(&batch.unwrap())).collect()
}

#[tokio::test]
async fn keeps_the_contract() {
    contract::run(Outputs::default).await;
}

fn snapshot(verdict: Verdict, rows: usize) -> Snapshot {
    let id = contract::id("quay", 0);
    let batches = if rows == 0 { Vec::new() } else { contract::repositories(&id, rows) };
    contract::snapshot(&id, verdict, MemoryRows::new(batches))
}

/// All tables, nine tags and more, four manifests and more.
fn deep(registry: &str) -> Snapshot {
    let id = contract::id(registry, 0);
    let tables = contract::tables(&id, 16, &[Table::Repositories, Table::Tags, Table::Manifests, Table::Changes]);
    contract::snapshot_of(&id, Verdict::Complete, tables)
}

async fn printed(format: StdoutFormat, snapshots: &[Snapshot]) -> String {
    let output = SharedBuffer::default();
    let sink = StdoutSink::to(format, Box::new(output.clone()));
    for snapshot in snapshots {
        sink.publish(snapshot).await.unwrap();
    }
    output.text()
}

#[tokio::test]
async fn a_table_lines_up_under_a_line_that_names_the_run() {
    let text = printed(StdoutFormat::Table, &[snapshot(Verdict::Gaps, 20)]).await;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "quay 2026-11-23 03:00:00Z gaps: 20 repositories");
    assert_eq!(lines[1], "REPOSITORY                      TAGS  STATE     ERROR         MONITORED");
    assert!(lines.contains(&"library/image-000001              13  complete  -             false"), "{text}");
    assert!(lines.contains(&"library/image-000002               -  denied    name_invalid  true"), "{text}");
    assert_eq!(lines.len(), 22);
    let empty = printed(StdoutFormat::Table, &[snapshot(Verdict::Complete, 0)]).await;
    assert_eq!(empty, "quay 2026-11-23 03:00:00Z complete: 0 repositories\n");
}

#[tokio::test]
async fn csv_has_one_header_per_process_and_whole_rows() {
    let other = contract::id("harbor", 0);
    let other = contract::snapshot(&other, Verdict::Complete, MemoryRows::new(contract::repositories(&other, 20)));
    let denied = contract::snapshot(&contract::id("ghcr", 0), Verdict::Denied, MemoryRows::default());
    let text = printed(StdoutFormat::Csv, &[denied, snapshot(Verdict::Complete, 20), other]).await;
    let header = "run_id,observed_at,repository,namespace,tag_count,state,error_code,monitored\r\n";
    assert!(text.starts_with(header), "{text}");
    assert_eq!(text.matches(header).count(), 1);
    assert_eq!(text.split_terminator("\r\n").count(), 41);
    let row = "quay-20261123T030000Z,2026-11-23T03:00:00Z,library/image-000002,library,,denied,name_invalid,true\r\n";
    assert!(text.contains(row), "{text}");
}

#[tokio::test]
async fn the_line_above_a_table_counts_what_was_read() {
    let text = printed(StdoutFormat::Table, &[deep("quay")]).await;
    assert!(
        text.starts_with("quay 2026-11-23 03:00:00Z complete: 16 repositories, 48 tags, 64 manifests, 32 changes\n"),
        "{text}"
    );
}

#[tokio::test]
async fn csv_of_several_tables_is_a_section_each() {
    let text = printed(StdoutFormat::Csv, &[snapshot(Verdict::Complete, 20), deep("harbor"), deep("ghcr")]).await;
    let sections: Vec<_> = text.split("\r\n\r\n").collect();
    let count = |section: &str| section.split_terminator("\r\n").count() - 1;
    let counts: Vec<_> = sections.iter().map(|section| count(section)).collect();
    // The first registry's repositories and the second's stand under one header.
    assert_eq!(counts, [36, 48, 64, 16, 48, 64]);
    let headers: Vec<_> = sections.iter().map(|section| section.split_once("\r\n").unwrap().0).collect();
    assert_eq!(headers[0], headers[3]);
    assert_eq!(headers[1], "run_id,observed_at,repository,tag,digest,media_type,size_bytes");
    assert!(headers[2].ends_with(",child_digests,layers,annotations_json,labels_json,notes"), "{}", headers[2]);
}

#[tokio::test]
async fn nested_cells_of_csv_are_json() {
    let text = printed(StdoutFormat::Csv, &[deep("quay")]).await;
    let manifests = text.split("\r\n\r\n").nth(2).unwrap();
    // The seventh is an image of two layers.
    let line = manifests.split_terminator("\r\n").nth(7).unwrap();
    let layers = line.split("\"[{").nth(1).and_then(|rest| rest.split("}]\"").next()).unwrap();
    let layers = format!("[{{{}}}]", layers.replace("\"\"", "\""));
    assert!(layers.starts_with("[{\"digest\":\"sha256:"), "{layers}");
    assert_eq!(layers.matches("\"size\":").count(), 2, "{layers}");
    assert!(layers.ends_with("\"media_type\":\"application/vnd.oci.image.layer.v1.tar+gzip\"}]"), "{layers}");
}

#[tokio::test]
async fn nothing_that_steers_a_terminal_comes_out() {
    for format in StdoutFormat::ALL {
        let text = printed(format, &[snapshot(Verdict::Gaps, 100), deep("harbor")]).await;
        let ends = text.replace("\r\n", "").replace('\n', "");
        let steering = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!ends.contains(steering), "{format}: {ends:?}");
    }
}

#[tokio::test]
async fn an_unpublishable_run_prints_no_table_and_no_csv() {
    for format in [StdoutFormat::Table, StdoutFormat::Csv] {
        assert_eq!(printed(format, &[snapshot(Verdict::Partial, 100)]).await, "");
    }
}

/// Takes some bytes, then the reader is gone.
struct Closing(usize);

impl Write for Closing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_closed_pipe_is_an_error_that_is_not_retried() {
    let sink = StdoutSink::to(StdoutFormat::Csv, Box::new(Closing(100)));
    let error = sink.publish(&snapshot(Verdict::Complete, 2_000)).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Invalid);
    assert_eq!(error.to_string(), "cannot write to standard output: its reader has gone");
    let next = sink.publish(&snapshot(Verdict::Complete, 20)).await.unwrap_err();
    assert!(next.to_string().contains("broke off in an earlier snapshot"), "{next}");
}

#[test]
fn an_unknown_format_lists_the_known() {
    assert_eq!("csv".parse(), Ok(StdoutFormat::Csv));
    let error = "xml".parse::<StdoutFormat>().unwrap_err().to_string();
    assert_eq!(error, "unknown format \"xml\"; known are: table, jsonl, csv");
    assert!(StdoutFormat::ALL.iter().all(|f| error.contains(f.as_str())));
}
