//! One connection to the server, whose every answer has a deadline.
//!
//! The connection is driven by the future that waits for an answer, not by a task of its own. So a publish that is dropped
//! takes its connection along, and the server ends its transaction.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use stocktake_sink::{SinkError, SinkErrorKind};
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Connection, Error, Row, Socket};

use crate::cause::{Finding, explain, silent};
use crate::settings::PostgresSettings;
use crate::tls::{RustlsConnect, RustlsStream};

/// A connection that is logged in.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) line: Line,
    pub(crate) settings: PostgresSettings,
    /// The version of the server, such as 150014.
    version: i32,
    /// The number of the server's process.
    pub(crate) process: i32,
}

/// The network side of a [`Session`].
pub(crate) struct Line {
    /// None once it has ended. Only then do those who wait for an answer, or for room to send, learn of the end.
    connection: Option<Pin<Box<Connection<Socket, RustlsStream>>>>,
    /// Why it has ended.
    ended: Option<Error>,
}

/// Parameters of a statement with their types: so the server is asked for them in no round trip of its own.
pub(crate) type Parameters<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// Why there was no good answer.
pub(crate) enum NoAnswer {
    Refused(Error),
    Silent,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("process", &self.process).finish_non_exhaustive()
    }
}

/// The oldest version whose catalog and functions are known here.
const OLDEST_VERSION: i32 = 120_000;
/// The first version that notices during a statement that its client has gone.
const CHECKS_CONNECTION: i32 = 140_000;

const HANGS: &str = "the server answers neither the statement nor another connection";

/// How often a connection without traffic is checked, and after how many checks without an answer it is dead.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 4;

impl Session {
    /// Connects and logs in.
    pub(crate) async fn open(settings: &PostgresSettings) -> Result<Self, SinkError> {
        let failed = |finding: Finding| finding.in_context(&format!("cannot connect to {}", settings.address));
        let (client, line) = match connect(settings).await? {
            Ok(connected) => connected,
            Err(NoAnswer::Refused(error)) => return Err(failed(explain(&error, settings))),
            Err(NoAnswer::Silent) => {
                return Err(failed(silent("the server did not let us in", settings.patience.connect)));
            }
        };
        let mut session = Self { client, line, settings: settings.clone(), version: 0, process: 0 };
        session.meet().await?;
        Ok(session)
    }

    /// Asks the server what it is, and whether it can be written to.
    async fn meet(&mut self) -> Result<(), SinkError> {
        let asked = "select current_setting('server_version_num')::int, current_setting('server_version'), \
                     pg_backend_pid(), pg_is_in_recovery()";
        let rows = self.rows(asked, &[]).await?;
        let row = only(&rows);
        let version: String = row.get(1);
        (self.version, self.process) = (row.get(0), row.get(2));
        if self.version < OLDEST_VERSION {
            let said = format!("the server is Postgres {version}");
            return Err(self.failure(Finding::new(SinkErrorKind::Invalid, said, "use version 12 or a newer one")));
        }
        if row.get(3) {
            let remedy = "name the primary in `url`, or all servers, with `?target_session_attrs=read-write`";
            let said = "the server is a standby, which only its primary writes to";
            return Err(self.failure(Finding::new(SinkErrorKind::Unavailable, said, remedy)));
        }
        Ok(())
    }

    /// An error of this session.
    pub(crate) fn failure(&self, finding: Finding) -> SinkError {
        finding.in_context(&format!("cannot publish to {}", self.settings.place()))
    }

    /// The error of an answer that did not come, or was not good.
    pub(crate) fn no_answer(&mut self, no_answer: NoAnswer) -> SinkError {
        let finding = match no_answer {
            NoAnswer::Silent => silent("the server gave no answer", self.settings.patience.answer),
            NoAnswer::Refused(error) => {
                // Where a connection has ended, the library tells those who wait only that it is closed.
                let ended = self.line.ended.take().filter(|_| error.is_closed());
                explain(ended.as_ref().unwrap_or(&error), &self.settings)
            }
        };
        self.failure(finding)
    }

    /// Runs statements without parameters.
    pub(crate) async fn run(&mut self, statements: &str) -> Result<(), SinkError> {
        let done = self.line.answer(self.settings.patience.answer, self.client.batch_execute(statements)).await;
        done.map_err(|e| self.no_answer(e))
    }

    /// The rows of a query.
    pub(crate) async fn rows(&mut self, query: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, SinkError> {
        let asked = self.client.query_typed(query, parameters);
        let rows = self.line.answer(self.settings.patience.answer, asked).await;
        rows.map_err(|e| self.no_answer(e))
    }

    /// Runs a statement that may take long; returns the number of rows that it changed. It may take as long as the server
    /// works on it. Whether it does, a second connection asks from time to time.
    pub(crate) async fn patiently(&mut self, statement: &str, parameters: Parameters<'_>) -> Result<u64, SinkError> {
        let Self { client, line, settings, process, .. } = self;
        let done = line.wait_long(settings, *process, client.execute_typed(statement, parameters)).await?;
        done.map_err(|e| self.no_answer(NoAnswer::Refused(e)))
    }

    /// The same for work of another kind on this session.
    pub(crate) async fn wait_long<T>(&mut self, work: impl Future<Output = Result<T, Error>>) -> Result<T, SinkError> {
        let done = self.line.wait_long(&self.settings, self.process, work).await?;
        done.map_err(|e| self.no_answer(NoAnswer::Refused(e)))
    }

    /// Begins a transaction. What a role or a database sets by default must not end a long `COPY`, filter rows, or let a
    /// commit be lost.
    pub(crate) async fn begin(&mut self) -> Result<(), SinkError> {
        let lock = self.settings.patience.lock.as_millis();
        let check =
            if self.version >= CHECKS_CONNECTION { "set local client_connection_check_interval = '2s';" } else { "" };
        self.run(&format!(
            "begin isolation level read committed read write; \
             set local search_path = pg_catalog; \
             set local statement_timeout = 0; \
             set local lock_timeout = '{lock}ms'; \
             set local idle_in_transaction_session_timeout = '5min'; \
             set local row_security = off; {check} \
             select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off'"
        ))
        .await
    }

    /// Ends the connection politely, so that the server's log has no complaint. Not longer than a moment.
    pub(crate) async fn end(self) {
        drop(self.client);
        self.line.end(self.settings.patience.goodbye).await;
    }
}

/// Connects and logs in. Password and certificates are read again each time, since they change while we run.
async fn connect(settings: &PostgresSettings) -> Result<Result<(Client, Line), NoAnswer>, SinkError> {
    let patience = settings.patience;
    let mut config = settings.address.config();
    if let Some(password) = settings.read_password().await? {
        config.password(password.expose());
    }
    config
        .application_name("stocktake")
        .connect_timeout(patience.address)
        .tcp_user_timeout(patience.answer)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES)
        .ssl_mode(if settings.tls.is_used() { SslMode::Require } else { SslMode::Disable });
    let tls = RustlsConnect::new(&settings.tls)?;
    Ok(match timeout(patience.connect, config.connect(tls)).await {
        Ok(Ok((client, connection))) => Ok((client, Line { connection: Some(Box::pin(connection)), ended: None })),
        Ok(Err(error)) => Err(NoAnswer::Refused(error)),
        Err(_) => Err(NoAnswer::Silent),
    })
}

/// Whether the server still works for this process.
async fn is_busy(settings: &PostgresSettings, process: i32) -> Result<(), Finding> {
    let (client, mut line) = match connect(settings).await {
        Ok(Ok(connected)) => connected,
        // A server that refuses one more connection is alive.
        Ok(Err(NoAnswer::Refused(error))) if error.as_db_error().is_some() => return Ok(()),
        Ok(Err(NoAnswer::Refused(error))) => return Err(explain(&error, settings)),
        Ok(Err(NoAnswer::Silent)) => return Err(silent(HANGS, settings.patience.connect)),
        // Our own files are being replaced.
        Err(_) => return Ok(()),
    };
    let asked = "select coalesce(wait_event, '') from pg_stat_activity where pid = $1";
    let rows = line.answer(settings.patience.answer, client.query_typed(asked, &[(&process, Type::INT4)])).await;
    let waits_for: Option<String> = match rows {
        Ok(rows) => rows.first().map(|row| row.get(0)),
        Err(_) => return Err(silent(HANGS, settings.patience.answer)),
    };
    drop(client);
    line.end(settings.patience.goodbye).await;
    match waits_for.as_deref() {
        None => Err(Finding::new(
            SinkErrorKind::Unavailable,
            "the server does not know our connection any more",
            "see its log; a proxy between us may have dropped the connection",
        )),
        Some("SyncRep") => Err(Finding::new(
            SinkErrorKind::Unavailable,
            "the commit waits for a synchronous standby",
            "start the standby, or take it out of `synchronous_standby_names`",
        )),
        Some(_) => Ok(()),
    }
}

impl Line {
    /// Drives the connection until this is done, however long that takes.
    pub(crate) async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Some(connection) = &mut self.connection
                && let Poll::Ready(ended) = connection.as_mut().poll(context)
            {
                self.connection = None;
                self.ended = ended.err();
            }
            work.as_mut().poll(context)
        })
        .await
    }

    /// Waits for long work. An error if the server does not answer a second connection either, or does not know this one.
    pub(crate) async fn wait_long<T>(
        &mut self,
        settings: &PostgresSettings,
        process: i32,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<Result<T, Error>, SinkError> {
        let mut work = pin!(work);
        loop {
            match self.answer(settings.patience.busy, work.as_mut()).await {
                Ok(done) => return Ok(Ok(done)),
                Err(NoAnswer::Refused(error)) => return Ok(Err(error)),
                Err(NoAnswer::Silent) => {}
            }
            let asked = timeout(settings.patience.connect, is_busy(settings, process)).await;
            asked
                .unwrap_or_else(|_| Err(silent(HANGS, settings.patience.connect)))
                .map_err(|finding| finding.in_context(&format!("cannot publish to {}", settings.place())))?;
        }
    }

    /// Once the client is dropped, tells the server that nothing more comes.
    async fn end(self, at_most: Duration) {
        if let Some(connection) = self.connection {
            let _ = timeout(at_most, connection).await;
        }
    }

    /// Waits for an answer for so long.
    pub(crate) async fn answer<T>(
        &mut self,
        at_most: Duration,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, NoAnswer> {
        match timeout(at_most, self.drive(work)).await {
            Ok(answer) => answer.map_err(NoAnswer::Refused),
            Err(_) => Err(NoAnswer::Silent),
        }
    }
}

/// The row of a query that gives exactly one.
pub(crate) fn only(rows: &[Row]) -> &Row {
    rows.first().expect("a query without a condition gives a row")
}
