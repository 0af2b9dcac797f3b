//! One table into the server: rows are encoded on a thread of their own while earlier ones are sent.

use std::mem;
use std::pin::{Pin, pin};

use arrow::error::ArrowError;
use bytes::Bytes;
use futures::SinkExt as _;
use futures::future::join;
use stocktake_sink::{Abandoned, SinkError, SinkErrorKind, Snapshot, SnapshotError, Table, blocking};
use tokio::sync::mpsc;
use tokio_postgres::CopyInSink;

use crate::cause::Finding;
use crate::columns;
use crate::encode::Encoder;
use crate::session::Session;

/// Bytes of one part. Small enough that a slow server takes one within [`crate::patience::Patience::answer`].
const PART_BYTES: usize = 128 * 1024;
/// Parts that wait to be sent. With those in the client library, about a megabyte of memory.
const PARTS_AHEAD: usize = 4;

/// What was written of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct CopiedTable {
    pub(crate) rows: u64,
    /// Size of the rows as they were sent.
    pub(crate) bytes: u64,
}

/// Writes all rows of a table within the transaction of the session.
pub(crate) async fn table(session: &mut Session, snapshot: &Snapshot, table: Table) -> Result<CopiedTable, SinkError> {
    let sink = begin(session, table).await?;
    let (sender, parts) = mpsc::channel(PARTS_AHEAD);
    let rows = snapshot.clone();
    let encoding = blocking(move |abandoned| encode(&rows, table, &sender, abandoned));
    let (encoded, sent) = join(encoding, send(session, sink, parts)).await;
    // If rows cannot be read, sending has ended early for that reason alone.
    let (encoded, (received, bytes)) = match (encoded, sent) {
        (Ok(encoded), Ok(sent)) => (encoded, sent),
        (Err(unreadable), _) if unreadable.kind() == SinkErrorKind::Snapshot => return Err(unreadable),
        (_, Err(error)) | (Err(error), _) => return Err(error),
    };
    if encoded != received {
        let said = format!("the server took {received} of {encoded} rows of table {table}");
        let remedy = "remove the trigger or rule that drops rows of this table";
        return Err(session.failure(Finding::new(SinkErrorKind::Invalid, said, remedy)));
    }
    Ok(CopiedTable { rows: encoded, bytes })
}

/// Writes no rows: fails if the user may not write to the table.
pub(crate) async fn nothing(session: &mut Session, table: Table) -> Result<(), SinkError> {
    let mut sink = pin!(begin(session, table).await?);
    let mut empty = Vec::new();
    Encoder::begin(&mut empty);
    Encoder::end(&mut empty);
    send_part(session, sink.as_mut(), empty.into()).await?;
    session.wait_long(sink.finish()).await?;
    Ok(())
}

/// `COPY` of a table, begun.
async fn begin(session: &mut Session, table: Table) -> Result<CopyInSink<Bytes>, SinkError> {
    let columns = columns::of_table(table).iter().map(|column| format!("\"{}\"", column.name)).collect::<Vec<_>>();
    let (name, columns) = (session.settings.schema.quoted(table), columns.join(", "));
    let statement = format!("copy {name} ({columns}) from stdin (format binary)");
    let begun = session.client.copy_in(statement.as_str());
    session.line.answer(session.settings.patience.answer, begun).await.map_err(|e| session.no_answer(e))
}

/// Sends the parts; returns how many rows the server has taken, and how many bytes that were. If the parts end early, the
/// `COPY` is ended in vain.
async fn send(
    session: &mut Session,
    sink: CopyInSink<Bytes>,
    mut parts: mpsc::Receiver<Part>,
) -> Result<(u64, u64), SinkError> {
    let mut sink = pin!(sink);
    let mut bytes = 0;
    while let Some(part) = session.line.drive(parts.recv()).await {
        let part = match part {
            Part::Rows(part) => part,
            Part::End(part) => {
                bytes += part.len() as u64;
                send_part(session, sink.as_mut(), part).await?;
                let rows = session.wait_long(sink.finish()).await?;
                return Ok((rows, bytes));
            }
        };
        bytes += part.len() as u64;
        send_part(session, sink.as_mut(), part).await?;
    }
    let ended = SinkError::new(SinkErrorKind::Unavailable, "the rows ended early");
    Err(ended)
}

async fn send_part(session: &mut Session, mut sink: Pin<&mut CopyInSink<Bytes>>, part: Bytes) -> Result<(), SinkError> {
    let sent = session.line.answer(session.settings.patience.answer, sink.send(part)).await;
    sent.map_err(|e| session.no_answer(e))
}

/// Bytes for the server.
enum Part {
    Rows(Bytes),
    /// The last one: all rows are in, and are as many as were sealed.
    End(Bytes),
}

/// Encodes all rows; returns their number. Ends when the receiver of the parts is gone.
fn encode(
    snapshot: &Snapshot,
    table: Table,
    parts: &mpsc::Sender<Part>,
    abandoned: &Abandoned,
) -> Result<u64, SinkError> {
    let encoder = Encoder::new(snapshot.id(), table.schema().fields().len());
    let sealed = snapshot.rows(table);
    let mut out = Vec::with_capacity(PART_BYTES);
    let mut rows = 0_u64;
    Encoder::begin(&mut out);
    for batch in snapshot.batches(table) {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        if abandoned.is_set() || parts.is_closed() {
            return Err(given_up());
        }
        if rows > sealed {
            break;
        }
        encoder.rows(&batch, &mut out, |out| {
            if out.len() < PART_BYTES {
                return Ok(());
            }
            let part = mem::replace(out, Vec::with_capacity(PART_BYTES + PART_BYTES / 8));
            parts.blocking_send(Part::Rows(part.into())).map_err(|_| EncodeError::GivenUp)
        })?;
    }
    if rows != sealed {
        let counted = format!("{rows} rows were read and {sealed} were sealed");
        return Err(SnapshotError::new(table, counted).into());
    }
    Encoder::end(&mut out);
    parts.blocking_send(Part::End(out.into())).map_err(|_| given_up())?;
    Ok(rows)
}

enum EncodeError {
    /// The receiver of the parts is gone.
    GivenUp,
    Arrow(ArrowError),
}

impl From<ArrowError> for EncodeError {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

impl From<EncodeError> for SinkError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::GivenUp => given_up(),
            EncodeError::Arrow(error) => {
                SinkError::new(SinkErrorKind::Snapshot, "cannot encode the rows").with_source(error)
            }
        }
    }
}

fn given_up() -> SinkError {
    SinkError::new(SinkErrorKind::Unavailable, "the publication was abandoned")
}
