//! What an error of the server or the network means, and what a person does about it.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use stocktake_sink::{SinkError, SinkErrorKind};
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::settings::{PostgresSettings, SchemaName};

/// Longest text of the server that is repeated.
const LONGEST_MESSAGE: usize = 400;

/// What is known of a failure: its kind, what happened, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: SinkErrorKind,
    pub(crate) said: String,
    pub(crate) remedy: String,
}

impl Finding {
    pub(crate) fn new(kind: SinkErrorKind, said: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, said: said.into(), remedy: remedy.into() }
    }

    /// The error of a sink that says all of it.
    pub(crate) fn in_context(self, context: &str) -> SinkError {
        SinkError::new(self.kind, context).with_source(self)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.said, self.remedy)
    }
}

impl StdError for Finding {}

/// The server gave no answer for this long.
pub(crate) fn silent(what: &str, lasted: Duration) -> Finding {
    let said = format!("{what} within {} s", lasted.as_secs_f64());
    Finding::new(SinkErrorKind::Unavailable, said, "check whether the server hangs, and the network to it")
}

/// What an error of the library means. Never repeats a password, which no error has.
pub(crate) fn explain(error: &Error, settings: &PostgresSettings) -> Finding {
    if let Some(refusal) = error.as_db_error() {
        return of_server(refusal, settings);
    }
    if let Some(flaw) = find::<rustls::Error>(error) {
        return of_tls(flaw);
    }
    if let Some(cause) = find::<io::Error>(error) {
        return of_network(cause, settings);
    }
    // The library has no kinds that can be matched, only texts.
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    match cause.as_str() {
        "server does not support TLS" => Finding::new(
            SinkErrorKind::Invalid,
            "the server has no TLS",
            "set `ssl = on` in its postgresql.conf, or `sslmode: disable` here if the network to it is trusted",
        ),
        "password missing" => Finding::new(
            SinkErrorKind::Forbidden,
            format!("the server asks for the password of user \"{}\", and none is configured", settings.address.user()),
            "set `password_file`, or another source of it",
        ),
        "" if error.is_closed() => Finding::new(
            SinkErrorKind::Unavailable,
            "the server closed the connection",
            "see its log; it may have been restarted",
        ),
        _ => {
            let said = if cause.is_empty() { error.to_string() } else { format!("{error}: {}", plain(&cause)) };
            Finding::new(SinkErrorKind::Unavailable, said, "check the server and its log")
        }
    }
}

/// The first cause of this type.
fn find<T: StdError + 'static>(error: &Error) -> Option<&T> {
    let mut cause = error.source();
    while let Some(at) = cause {
        if let Some(found) = at.downcast_ref::<T>() {
            return Some(found);
        }
        // An error of TLS is wrapped in one of input and output, whose source is not itself.
        let inner = at.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref::<T>()) {
            return Some(found);
        }
        cause = at.source();
    }
    None
}

fn of_server(error: &DbError, settings: &PostgresSettings) -> Finding {
    let code = error.code();
    let (kind, remedy) = remedy(code, error.message(), settings);
    let hint = error.hint().map(|hint| format!(" ({})", plain(hint))).unwrap_or_default();
    Finding::new(kind, format!("the server says: {}{hint} [{}]", plain(error.message()), code.code()), remedy)
}

/// The kind of an error of the server by its SQLSTATE, and what to do.
fn remedy(code: &SqlState, message: &str, settings: &PostgresSettings) -> (SinkErrorKind, String) {
    use SinkErrorKind::{Forbidden, Full, Invalid, Unavailable};
    let (user, database, schema) = (settings.address.user(), settings.address.database(), &settings.schema);
    match code.code() {
        "28P01" => (Forbidden, "correct `password_file`, or where else the password is read from".to_owned()),
        "28000" if message.contains("pg_hba.conf") => {
            let needs_tls = message.contains("no encryption") || message.contains("SSL off");
            let tls = if needs_tls { ", or set `sslmode: verify-full`, if its line asks for TLS" } else { "" };
            let line = format!("add a line for user \"{user}\" and database \"{database}\" to its pg_hba.conf{tls}");
            (Forbidden, line)
        }
        "28000" => (Forbidden, format!("let user \"{user}\" log in, or correct the user in `url`")),
        "42501" => (Forbidden, grant(message, user, database, schema)),
        "25006" => (Unavailable, "name a server that can be written to in `url`".to_owned()),
        "3D000" => (Invalid, format!("run `create database \"{database}\"`, or correct the database in `url`")),
        "3F000" => (Invalid, format!("run `create schema {schema}`, or correct `schema`")),
        "53100" => (Full, "make room on the disk of the server, or keep fewer nights (`keep`)".to_owned()),
        "53300" => (Unavailable, "raise `max_connections` of the server, or end idle connections".to_owned()),
        "53200" => (Unavailable, "give the server more memory".to_owned()),
        "53400" => (Full, "raise the limit that the server names".to_owned()),
        "57P01" | "57P02" | "57P03" => (Unavailable, "wait until the server is up".to_owned()),
        "57014" => (Unavailable, "find out who or what cancelled the statement".to_owned()),
        "55P03" => (
            Unavailable,
            "find the session that holds the lock in `pg_locks`: another publish, or work on the tables".to_owned(),
        ),
        "40001" | "40P01" => (Unavailable, "find the other session that writes to these tables".to_owned()),
        "22P04" | "08P01" => (Invalid, "this is a bug in stocktake; please report it".to_owned()),
        other => match &other[..2.min(other.len())] {
            "08" | "53" | "57" | "58" | "25" | "40" | "55" => (Unavailable, "see the log of the server".to_owned()),
            "23" | "27" | "09" | "P0" | "44" => {
                (Invalid, format!("remove the constraint or trigger that somebody added to a table of schema {schema}"))
            }
            "42" | "22" | "0A" => {
                (Invalid, format!("see what was changed in schema {schema}, or set `schema` to a new one"))
            }
            "XX" => (Unavailable, "see the log of the server; its files may be damaged".to_owned()),
            _ => (Unavailable, "see the log of the server".to_owned()),
        },
    }
}

/// What an administrator runs, by what the server says that the user has no right to.
fn grant(message: &str, user: &str, database: &str, schema: &SchemaName) -> String {
    if message.contains("permission denied for database") {
        format!("run `create schema {schema} authorization \"{user}\"` in database \"{database}\"")
    } else if message.contains("permission denied for schema") {
        format!("run `grant usage, create on schema {schema} to \"{user}\"`")
    } else if message.contains("must be owner") {
        format!("make \"{user}\" the owner of the tables and views of schema {schema}")
    } else {
        format!("run `grant select, insert, update, delete on all tables in schema {schema} to \"{user}\"`")
    }
}

fn of_network(error: &io::Error, settings: &PostgresSettings) -> Finding {
    use io::ErrorKind as K;
    let unavailable = |said: String, remedy: &str| Finding::new(SinkErrorKind::Unavailable, said, remedy);
    match error.kind() {
        K::ConnectionRefused => {
            unavailable("connection refused".to_owned(), "start the server, or correct host and port in `url`")
        }
        K::NotFound if settings.address.is_socket() => {
            unavailable("there is no socket".to_owned(), "start the server, or correct the directory in `url`")
        }
        K::TimedOut => unavailable("no answer to the connection".to_owned(), "check the network and its firewalls"),
        K::PermissionDenied if settings.address.is_socket() => Finding::new(
            SinkErrorKind::Forbidden,
            "the socket may not be used",
            "let this user of the operating system open the socket",
        ),
        K::PermissionDenied => Finding::new(
            SinkErrorKind::Unavailable,
            plain(&error.to_string()),
            "name a server that can be written to in `url`",
        ),
        K::UnexpectedEof | K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => {
            unavailable("the server closed the connection".to_owned(), "see its log; it may have been restarted")
        }
        _ if error.to_string().contains("lookup") => {
            unavailable(plain(&error.to_string()), "correct the host in `url`, or repair the name service")
        }
        _ => unavailable(plain(&error.to_string()), "check the server and the network to it"),
    }
}

fn of_tls(error: &rustls::Error) -> Finding {
    use rustls::CertificateError as C;
    let (said, remedy) = match error {
        rustls::Error::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => (
            "the certificate of the server is signed by no authority that is trusted here".to_owned(),
            "set `ca_file` to the certificate of its authority",
        ),
        rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => (
            format!("the certificate of the server is for another name: {error}"),
            "write a name of the certificate in `url`, or set `sslmode: verify-ca`, which does not compare names",
        ),
        rustls::Error::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            ("the certificate of the server has expired".to_owned(), "renew it")
        }
        rustls::Error::InvalidCertificate(_) => {
            (format!("the certificate of the server is refused: {error}"), "give the server another certificate")
        }
        rustls::Error::AlertReceived(_) => (
            format!("the server ends TLS: {error}"),
            "see its log; it may ask for a client certificate (`client_cert_file`)",
        ),
        _ => (format!("no TLS with the server: {error}"), "check that `url` names a Postgres server"),
    };
    Finding::new(SinkErrorKind::Invalid, plain(&said), remedy)
}

/// One line without control characters, not too long. A server's texts go to terminals and logs.
fn plain(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_MESSAGE).collect();
    if text.chars().nth(LONGEST_MESSAGE).is_some() {
        line.push('…');
    }
    line
}
