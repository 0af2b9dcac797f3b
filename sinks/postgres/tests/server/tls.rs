//! TLS, mode by mode, with certificates that openssl makes.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use stocktake_sink::{Sink as _, SinkError, SinkErrorKind};
use stocktake_sink_postgres::contract::{TestDatabase, TestServer};
use stocktake_sink_postgres::{PostgresSettings, PostgresSink, SslVerification};
use tempfile::TempDir;

use crate::support::{assert_error, settings};

/// Authorities and certificates.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        let files = Self(TempDir::new().unwrap());
        for authority in ["ca", "other-ca"] {
            files.openssl(&format!(
                "req -x509 {KEY} -keyout {authority}.key -out {authority}.crt -subj /CN={authority}"
            ));
        }
        files.certify("server", "localhost", "subjectAltName=DNS:localhost");
        files.certify("client", "certified", "extendedKeyUsage=clientAuth");
        files
    }

    fn certify(&self, name: &str, subject: &str, extension: &str) {
        fs::write(self.path("extensions"), extension).unwrap();
        self.openssl(&format!("req {KEY} -keyout {name}.key -out {name}.csr -subj /CN={subject}"));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out {name}.crt"
        ));
        fs::set_permissions(self.path(&format!("{name}.key")), Permissions::from_mode(0o600)).unwrap();
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(&self.0).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A server that takes nothing without TLS, and one user with a client certificate alone.
    fn server(&self) -> (Arc<TestServer>, TestDatabase) {
        let server = Arc::new(TestServer::start_on("127.0.0.1", |directory| {
            let data = directory.join("data");
            let rules =
                "local all all trust\nhostssl all certified 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 trust\n";
            fs::write(data.join("pg_hba.conf"), rules).unwrap();
            fs::write(data.join("postgresql.auto.conf"), "ssl = on\nssl_ca_file = 'ca.crt'\n").unwrap();
            for name in ["server.key", "server.crt", "ca.crt"] {
                hand_over(&self.path(name), &data);
            }
        }));
        let database = TestDatabase::of(&server);
        database
            .sql(&format!("create role certified login; grant create on database {} to certified", database.name()));
        (server, database)
    }
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// Copies a file into a directory, for its owner.
fn hand_over(file: &Path, directory: &Path) {
    let copy = directory.join(file.file_name().unwrap());
    fs::copy(file, &copy).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o600)).unwrap();
    let owner = fs::metadata(directory).unwrap();
    chown(&copy, Some(owner.uid()), Some(owner.gid())).unwrap();
}

async fn probe(settings: PostgresSettings) -> Result<(), SinkError> {
    PostgresSink::new(settings).probe().await
}

#[tokio::test]
async fn each_mode_verifies_what_it_says() {
    use SslVerification::{Disable, Require, VerifyCa, VerifyFull};
    let files = Certificates::new();
    let (server, database) = files.server();
    let (ca, other) = (files.path("ca.crt"), files.path("other-ca.crt"));
    let at = |host: &str| settings(&format!("postgres://postgres@{host}:{}/{}", server.port(), database.name()));
    let with = |host: &str, mode, ca: Option<&Path>| at(host).with_tls(mode, ca, None);
    for good in [
        with("localhost", VerifyFull, Some(&ca)),
        with("127.0.0.1", VerifyCa, Some(&ca)),
        with("127.0.0.1", Require, None),
    ] {
        probe(good).await.unwrap();
    }
    let invalid = SinkErrorKind::Invalid;
    let said = ["is for another name", "localhost", "`sslmode: verify-ca`"];
    assert_error(probe(with("127.0.0.1", VerifyFull, Some(&ca))).await, invalid, &said);
    let said = ["signed by no authority that is trusted here", "set `ca_file`"];
    for mode in [VerifyCa, VerifyFull] {
        assert_error(probe(with("localhost", mode, Some(&other))).await, invalid, &said);
        // Those of the system know nothing of it either.
        assert_error(probe(with("localhost", mode, None)).await, invalid, &[]);
    }
    let said = ["pg_hba.conf", "set `sslmode: verify-full`"];
    assert_error(probe(with("127.0.0.1", Disable, None)).await, SinkErrorKind::Forbidden, &said);
    // The files are read again at each connection.
    fs::copy(&ca, files.path("rotated.crt")).unwrap();
    let rotated = with("localhost", VerifyFull, Some(&files.path("rotated.crt")));
    probe(rotated.clone()).await.unwrap();
    fs::write(files.path("rotated.crt"), "no certificate").unwrap();
    assert_error(probe(rotated.clone()).await, invalid, &["there is no certificate in", "rotated.crt"]);
    fs::remove_file(files.path("rotated.crt")).unwrap();
    assert_error(probe(rotated).await, invalid, &["cannot read the certificates in", "rotated.crt"]);
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_its_key_is_protected() {
    let files = Certificates::new();
    let (server, database) = files.server();
    let (ca, certificate, key) = (files.path("ca.crt"), files.path("client.crt"), files.path("client.key"));
    let url = format!("postgres://certified@localhost:{}/{}", server.port(), database.name());
    let mode = SslVerification::VerifyFull;
    let with = settings(&url).with_tls(mode, Some(&ca), Some((&certificate, &key)));
    probe(with.clone()).await.unwrap();
    let without = settings(&url).with_tls(mode, Some(&ca), None);
    assert_error(probe(without).await, SinkErrorKind::Forbidden, &["certificate"]);
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    assert_error(probe(with).await, SinkErrorKind::Invalid, &["other users can use the key", "chmod 600"]);
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_that_refuses_us() {
    let server = Arc::new(TestServer::start_on("127.0.0.1", |_| {}));
    let database = TestDatabase::of(&server);
    let url = format!("postgres://postgres@127.0.0.1:{}/{}", server.port(), database.name());
    probe(settings(&url)).await.unwrap();
    let verified = settings(&url).with_tls(SslVerification::Require, None, None);
    assert_error(probe(verified).await, SinkErrorKind::Invalid, &["the server has no TLS", "`sslmode: disable`"]);
    // Something that listens there and says nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/x", listener.local_addr().unwrap().port());
    let silent = probe(settings(&url).hurried(60)).await;
    assert_error(silent, SinkErrorKind::Unavailable, &["within", "check whether the server hangs"]);
}
