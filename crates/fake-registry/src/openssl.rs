//! Certificates and servers that the command `openssl` makes, for tests of what real servers do in TLS.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A directory with keys and certificates. Removed when dropped.
#[derive(Debug)]
pub struct Workshop {
    directory: TempDir,
}

impl Default for Workshop {
    fn default() -> Self {
        Self::new()
    }
}

impl Workshop {
    /// An empty directory.
    ///
    /// # Panics
    /// If there is no temporary directory.
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    /// A file of the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        let parent = path.parent().expect("a directory");
        std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&path, text)).expect("written");
    }

    /// Reads a file.
    ///
    /// # Panics
    /// If it is not there.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file of text")
    }

    /// Runs `openssl` in the directory with these arguments, which blanks separate.
    ///
    /// # Panics
    /// If the command fails or does not exist.
    pub fn run(&self, arguments: &str) {
        let output = command(self.directory.path(), arguments).stdin(Stdio::null()).output();
        let output = output.expect("these tests make certificates with openssl: sudo apt-get install openssl");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {told}");
    }

    /// Makes the key NAME.key and the request NAME.csr with this subject.
    pub fn request(&self, name: &str, kind: &str, subject: &str) {
        self.run(&format!("req -newkey {kind} -nodes -keyout {name}.key -out {name}.csr -subj {subject}"));
    }

    /// Signs NAME.csr with the certificate of `issuer`, with these extensions, one a line; none: version 1.
    pub fn sign(&self, name: &str, issuer: &str, extensions: &str, more: &str) {
        let with = if extensions.is_empty() {
            String::new()
        } else {
            self.write(&format!("{name}.ext"), extensions);
            format!("-extfile {name}.ext")
        };
        let by = if name == issuer {
            format!("-signkey {name}.key")
        } else {
            format!("-CA {issuer}.crt -CAkey {issuer}.key -CAcreateserial")
        };
        self.run(&format!("x509 -req -in {name}.csr {by} -days 2 {with} {more} -out {name}.crt"));
    }

    /// Starts `openssl s_server` with these arguments. It answers with the files of the directory: a page of one name for
    /// the catalog.
    ///
    /// # Panics
    /// If it does not start.
    pub fn serve(&self, arguments: &str) -> OpensslServer {
        // It takes the query for a part of the name.
        self.write("v2/_catalog?n=1000", r#"{"repositories":["a"]}"#);
        let mut server = command(self.directory.path(), &format!("s_server -accept 127.0.0.1:0 -WWW {arguments}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need openssl: sudo apt-get install openssl");
        let mut lines = BufReader::new(server.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.strip_prefix("ACCEPT ")?.rsplit_once(':')?.1.parse().ok());
        let port = port.unwrap_or_else(|| panic!("openssl s_server {arguments} does not start"));
        // It writes a text about each connection, and would wait if that were not read.
        std::thread::spawn(move || lines.for_each(drop));
        OpensslServer { server, port }
    }
}

fn command(directory: &Path, arguments: &str) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments.split_whitespace()).current_dir(directory);
    command
}

/// A running `openssl s_server`. It ends when dropped.
#[derive(Debug)]
pub struct OpensslServer {
    server: Child,
    /// Its port at 127.0.0.1.
    pub port: u16,
}

impl Drop for OpensslServer {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
