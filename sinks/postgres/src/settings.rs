//! The settings of the sink: read, checked, and described for the reference.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use stocktake_sink::{
    AbsentOption, OptionRefused, SecretOption, SecretPlace, SecretText, SinkError, SinkOption, SinkOptions,
};

use crate::address::ServerAddress;
use crate::patience::Patience;
use crate::tls::{ClientFiles, PostgresTls, SslVerification};

static URL: SinkOption = SinkOption {
    key: "url",
    accepts: "`postgres://USER@HOST:PORT/DATABASE`; a host that begins with `%2F` is the directory of a socket",
    absent: AbsentOption::Required("postgres://stocktake@db.example.com/inventory"),
    meaning: "The server, the user and the database. Several hosts, divided by commas, are tried in turn.",
};

static PASSWORD: SecretOption = SecretOption {
    literal: "password",
    file: "password_file",
    env: "password_env",
    command: "password_command",
    credential: "credential",
    meaning: "File that holds the password of the user. It is read for each connection.",
};

static SCHEMA: SinkOption = SinkOption {
    key: "schema",
    accepts: "1 to 63 lower-case letters, digits and `_`, not beginning with a digit or `pg_`",
    absent: AbsentOption::Default("stocktake"),
    meaning: "The schema of the database in which the tables are made. The sink needs it for itself.",
};

static KEEP: SinkOption = SinkOption {
    key: "keep",
    accepts: "a number from 1 to 100000",
    absent: AbsentOption::Required("30"),
    meaning: "How many inventories of each registry are kept, most often one a night. Older ones are deleted.",
};

static SSLMODE: SinkOption = SinkOption {
    key: "sslmode",
    accepts: "`disable`, `require`, `verify-ca` or `verify-full`",
    absent: AbsentOption::Means("`verify-full`; `disable` for a socket and for loopback"),
    meaning: "What of TLS is demanded, as in libpq. `require` encrypts but trusts any certificate.",
};

static CA_FILE: SinkOption = SinkOption {
    key: "ca_file",
    accepts: "the path of a file",
    absent: AbsentOption::Means("those of the system"),
    meaning: "The authorities that sign the server's certificate, in PEM. Only with `verify-ca` and `verify-full`.",
};

static CLIENT_CERT_FILE: SinkOption = SinkOption {
    key: "client_cert_file",
    accepts: "the path of a file",
    absent: AbsentOption::Means("none"),
    meaning: "Client certificate in PEM. Needs `client_key_file`.",
};

static CLIENT_KEY_FILE: SinkOption = SinkOption {
    key: "client_key_file",
    accepts: "the path of a file",
    absent: AbsentOption::Means("none"),
    meaning: "Private key of the client certificate, in PEM, not encrypted, protected from other users.",
};

/// Most inventories of one registry.
const MOST_KEPT: u64 = 100_000;
/// Postgres cuts longer names.
const LONGEST_NAME: usize = 63;

/// A schema: a plain name, so that it is the same with and without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaName(String);

/// Why a text is no [`SchemaName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no name of a schema: write 1 to 63 lower-case letters, digits and `_`, not beginning with a digit or `pg_`"
)]
pub struct BadSchemaName;

impl SchemaName {
    /// Checks a name.
    ///
    /// # Errors
    /// If it has other characters, begins with a digit or `pg_`, or is too long.
    pub fn parse(name: &str) -> Result<Self, BadSchemaName> {
        let begins_well = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let is_good = begins_well && name.len() <= LONGEST_NAME && name.bytes().all(allowed);
        // Postgres keeps these for itself.
        let is_reserved = name.starts_with("pg_") || name == "information_schema";
        if is_good && !is_reserved { Ok(Self(name.to_owned())) } else { Err(BadSchemaName) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// A table or view of the schema, quoted.
    pub(crate) fn quoted(&self, name: impl fmt::Display) -> String {
        format!("\"{}\".\"{name}\"", self.0)
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a sink is told.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    pub(crate) address: ServerAddress,
    pub(crate) password: Option<Arc<dyn SecretPlace>>,
    pub(crate) schema: SchemaName,
    pub(crate) keep: i64,
    pub(crate) tls: PostgresTls,
    pub(crate) patience: Patience,
}

impl PostgresSettings {
    /// Settings without a password, and with the mode of TLS that is right for the address.
    pub fn new(address: ServerAddress, schema: SchemaName, keep: u32) -> Self {
        let tls = PostgresTls::of(usual(&address));
        Self { address, password: None, schema, keep: keep.into(), tls, patience: Patience::default() }
    }

    /// The same with a password.
    #[must_use]
    pub fn with_password(self, password: Arc<dyn SecretPlace>) -> Self {
        Self { password: Some(password), ..self }
    }

    /// The same with this mode of TLS, and with files: the authorities, the client's certificate and its key.
    #[must_use]
    pub fn with_tls(self, mode: SslVerification, ca_file: Option<&Path>, client: Option<(&Path, &Path)>) -> Self {
        let client = client.map(|(certificate, key)| ClientFiles { certificate: certificate.into(), key: key.into() });
        let tls = PostgresTls { ca_file: ca_file.map(Path::to_owned), client, ..PostgresTls::of(mode) };
        Self { tls, ..self }
    }

    /// The same with all deadlines this many times shorter, for tests of servers that hang.
    #[cfg(feature = "contract")]
    #[must_use]
    pub fn hurried(self, times: u32) -> Self {
        Self { patience: self.patience.divided_by(times), ..self }
    }

    /// Reads all keys.
    pub(crate) fn read(options: &mut dyn SinkOptions) -> Result<Self, OptionRefused> {
        let address = options.parse(&URL, ServerAddress::parse);
        let password = options.secret(&PASSWORD);
        let schema = options.parse(&SCHEMA, SchemaName::parse);
        let keep = options.number(&KEEP, 1..=MOST_KEPT);
        let tls = read_tls(options, address.as_ref().ok());
        let keep = i64::try_from(keep?).unwrap_or(i64::MAX);
        let settings = Self::new(address?, schema?, 1);
        Ok(Self { password: password?, keep, tls: tls?, ..settings })
    }

    /// Where it publishes to, as people read it.
    pub(crate) fn place(&self) -> String {
        format!("{}, schema {}", self.address, self.schema)
    }

    /// Where a table is, as people read it.
    pub(crate) fn location(&self, table: impl fmt::Display) -> String {
        format!("{}/{}.{table}", self.address, self.schema)
    }

    /// The password as it is now.
    pub(crate) async fn read_password(&self) -> Result<Option<SecretText>, SinkError> {
        match &self.password {
            Some(place) => Ok(Some(place.read().await?)),
            None => Ok(None),
        }
    }
}

/// No TLS where no byte leaves the machine, else all that TLS can verify.
fn usual(address: &ServerAddress) -> SslVerification {
    if address.is_local() { SslVerification::Disable } else { SslVerification::VerifyFull }
}

fn read_tls(options: &mut dyn SinkOptions, address: Option<&ServerAddress>) -> Result<PostgresTls, OptionRefused> {
    let written = options.optional_text(&SSLMODE);
    let ca_file = options.optional_file(&CA_FILE);
    let (certificate, key) = (options.optional_file(&CLIENT_CERT_FILE), options.optional_file(&CLIENT_KEY_FILE));
    let verification = match written? {
        Some(word) => {
            let known = SslVerification::WORDS.iter().find(|(known, _)| *known == word);
            known.map(|(_, verification)| *verification).ok_or_else(|| options.refuse(&SSLMODE, unknown(&word)))?
        }
        None => address.map_or(SslVerification::VerifyFull, usual),
    };
    let is_used = verification != SslVerification::Disable;
    if is_used && address.is_some_and(ServerAddress::is_socket) {
        return Err(options.refuse(&SSLMODE, "a socket has no TLS; leave `sslmode` out".to_owned()));
    }
    let ca_file = ca_file?;
    if ca_file.is_some() && !matches!(verification, SslVerification::VerifyCa | SslVerification::VerifyFull) {
        let message = "has no effect, because no certificate is verified; set `sslmode: verify-full`, or leave it out";
        return Err(options.refuse(&CA_FILE, message.to_owned()));
    }
    let client = match (certificate?, key?) {
        (Some(certificate), Some(key)) if is_used => Some(ClientFiles { certificate, key }),
        (None, None) => None,
        (Some(_), Some(_)) => {
            let message = "has no effect without TLS; set `sslmode`, or leave it out";
            return Err(options.refuse(&CLIENT_CERT_FILE, message.to_owned()));
        }
        (Some(_), None) => return Err(options.refuse(&CLIENT_CERT_FILE, "needs `client_key_file`".to_owned())),
        (None, Some(_)) => return Err(options.refuse(&CLIENT_KEY_FILE, "needs `client_cert_file`".to_owned())),
    };
    Ok(PostgresTls { verification, ca_file, client })
}

fn unknown(word: &str) -> String {
    match word {
        "allow" | "prefer" => {
            "encrypts only if the server wants to, which protects from nobody; write `verify-full`, or \
                               `disable` if the network is trusted"
                .to_owned()
        }
        _ => format!("is none of {}", SslVerification::WORDS.map(|(word, _)| format!("`{word}`")).join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_schemas_need_no_quotes() {
        for good in ["stocktake", "_s", "team_7", &"a".repeat(63)] {
            assert_eq!(SchemaName::parse(good).expect(good).quoted("tags"), format!("\"{good}\".\"tags\""));
        }
        for bad in ["", "Stocktake", "7", "pg_catalog", "information_schema", "a b", "a\"", "a;", "ä", &"a".repeat(64)]
        {
            assert_eq!(SchemaName::parse(bad), Err(BadSchemaName), "{bad}");
        }
    }
}
