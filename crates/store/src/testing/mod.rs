//! Servers of buckets for tests, on loopback: moto (S3), Azurite (Azure), and s3rver, which ignores conditional puts. Each
//! ends with the value that started it, or with the process.

mod proxy;

use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use stocktake_sink::SecretText;

pub use proxy::{BucketFate, BucketProxy, BucketRequest};

use crate::{BucketKind, BucketSettings, Place, Store};

/// A running server with an empty bucket `inv`.
pub struct BucketServer {
    child: Child,
    kind: BucketKind,
    port: u16,
}

impl fmt::Debug for BucketServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a server of {}:// on port {}", self.kind.scheme(), self.port)
    }
}

impl BucketServer {
    /// The login of the S3 servers.
    pub const S3_LOGIN: &'static str = "aws_access_key_id = S3RVER\naws_secret_access_key = S3RVER\n";

    /// S3 by moto, with the Python of `STOCKTAKE_TEST_PYTHON`.
    pub fn moto() -> Self {
        Self::start(BucketKind::S3, &["moto"])
    }

    /// Azure by Azurite, whose program is in the directory `STOCKTAKE_TEST_NODE`.
    pub fn azurite() -> Self {
        Self::start(BucketKind::Azure, &["azurite", &node("azurite-blob")])
    }

    /// An S3 server that ignores conditional puts, in the same directory.
    pub fn s3rver() -> Self {
        Self::start(BucketKind::S3, &["s3rver", &node("s3rver")])
    }

    fn start(kind: BucketKind, arguments: &[&str]) -> Self {
        let python = std::env::var_os("STOCKTAKE_TEST_PYTHON").map_or_else(readers, PathBuf::from);
        assert!(python.exists(), "there is no {}: tests/run.sh installs it and runs the tests", python.display());
        let mut child = Command::new(python)
            .args(["-B", "-c", include_str!("server.py")])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start a server of buckets");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut ports = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("port ")?.parse().ok());
        let port = ports.next().expect("the port of the server of buckets");
        Self { child, kind, port }
    }

    /// The scheme, host and port of the server.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A proxy before it; see [`BucketProxy::start`].
    pub fn proxy(&self, decide: impl Fn(&BucketRequest) -> BucketFate + Send + Sync + 'static) -> BucketProxy {
        BucketProxy::start(self.port, decide, |_| ())
    }

    /// The same, told of each request once the server has answered.
    pub fn proxy_that_tells(&self, after: impl Fn(&BucketRequest) + Send + Sync + 'static) -> BucketProxy {
        BucketProxy::start(self.port, |_| BucketFate::Pass, after)
    }

    /// A prefix in its bucket `inv`.
    pub fn place(&self, prefix: &str) -> Place {
        Place::parse(&self.url(prefix)).expect("a place")
    }

    /// The same as a URL.
    pub fn url(&self, prefix: &str) -> String {
        format!("{}://inv/{prefix}", self.kind.scheme())
    }

    /// What `options` has to say to reach it.
    pub fn options(&self) -> Vec<(&'static str, String)> {
        self.options_at(&self.endpoint())
    }

    /// The same for a proxy before it.
    pub fn options_at(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        match self.kind {
            BucketKind::Azure => vec![
                ("azure_storage_account_name", ACCOUNT.to_owned()),
                ("azure_storage_endpoint", format!("{endpoint}/{ACCOUNT}")),
            ],
            _ => vec![("aws_region", "us-east-1".to_owned()), ("aws_endpoint", endpoint.to_owned())],
        }
    }

    /// The settings that reach it at this endpoint.
    pub fn settings_at(&self, endpoint: &str) -> BucketSettings {
        let mut settings = BucketSettings::new(self.kind);
        for (key, value) in self.options_at(endpoint) {
            settings.add(key, &value).expect("a setting");
        }
        settings
    }

    /// The text of a file with its login.
    pub fn login(&self) -> &'static str {
        match self.kind {
            BucketKind::Azure => AZURE_LOGIN,
            _ => Self::S3_LOGIN,
        }
    }

    /// The keys below this prefix of uploads that were neither completed nor given up. Azure has no such list: it forgets
    /// blocks that are not committed after a week.
    pub fn unfinished_uploads(&self, prefix: &str) -> Vec<String> {
        if self.kind == BucketKind::Azure {
            return Vec::new();
        }
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server");
        stream.write_all(b"GET /inv?uploads HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.contains("ListMultipartUploadsResult"), "{answer}");
        let keys = answer.split("<Key>").skip(1).filter_map(|after| after.split("</Key>").next());
        keys.filter(|key| key.starts_with(prefix)).map(str::to_owned).collect()
    }

    /// A store below this prefix.
    pub fn store(&self, prefix: &str) -> Store {
        self.store_at(&self.endpoint(), prefix)
    }

    /// The same through a proxy.
    pub fn store_at(&self, endpoint: &str, prefix: &str) -> Store {
        let login = SecretText::new(self.login());
        Store::open(&self.place(prefix), Some(&self.settings_at(endpoint)), Some(&login)).expect("a store")
    }
}

impl Drop for BucketServer {
    fn drop(&mut self) {
        // The end of its input ends it, and it ends its own child.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

const ACCOUNT: &str = "devstoreaccount1";
/// The published key of the emulator.
const AZURE_LOGIN: &str = "azure_storage_account_key = Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==\n";

/// The interpreter that `tests/run.sh` makes.
fn readers() -> PathBuf {
    let root = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target"));
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(root, PathBuf::from).join("readers/bin/python")
}

fn node(program: &str) -> String {
    let directory = std::env::var("STOCKTAKE_TEST_NODE").expect("STOCKTAKE_TEST_NODE, as tests/buckets.sh sets it");
    format!("{directory}/{program}")
}
