//! A Postgres server that a test starts for itself. It listens on a socket in a directory of its own, on request also on
//! loopback, and ends with the test, however that ends.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A running server. Its superuser is `postgres`, and it asks for no password.
#[derive(Debug)]
pub struct TestServer {
    directory: PathBuf,
    port: u16,
    running: Option<(Child, ChildStdin)>,
    databases: AtomicU32,
}

/// Runs the server, and ends it when standard input ends. It is told to start and to stop by lines.
const SUPERVISOR: &str = r#"
bin=$1 directory=$2 port=$3 listen=$4
start() {
  "$bin/postgres" -D "$directory/data" -k "$directory" -p "$port" -c listen_addresses="$listen" -c fsync=off \
    -c max_wal_size=8GB -c shared_buffers=64MB -c max_connections=60 >>"$directory/log" 2>&1 </dev/null 3>&- &
  server=$!
}
wait_until_ready() {
  tries=0
  until "$bin/pg_isready" -q -h "$directory" -p "$port"; do
    kill -0 "$server" 2>/dev/null || return 1
    tries=$((tries + 1)); [ "$tries" -lt 3000 ] || return 1
    sleep 0.02
  done
}
start
if wait_until_ready; then echo ready; else echo failed; fi
while read -r told; do
  case $told in
    crash) kill -QUIT "$server"; wait "$server" ;;
    start) start; wait_until_ready ;;
    reload) kill -HUP "$server" ;;
  esac
  echo "$told"
done
kill -CONT "$server" 2>/dev/null
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$directory"
"#;

impl TestServer {
    /// A server on a socket alone.
    ///
    /// # Panics
    /// If Postgres is not installed, or does not start.
    pub fn start() -> Self {
        Self::start_on("", |_| {})
    }

    /// A server that `configure` may write files for before it starts: in the directory that it gets.
    /// `listen` is empty or `127.0.0.1`.
    ///
    /// # Panics
    /// If Postgres is not installed, or does not start.
    pub fn start_on(listen: &str, configure: impl Fn(&Path)) -> Self {
        // Another process may take a port between our question and the server's start.
        for _ in 0..10 {
            if let Some(server) = Self::try_start(listen, &configure) {
                return server;
            }
        }
        panic!("Postgres does not start");
    }

    fn try_start(listen: &str, configure: &impl Fn(&Path)) -> Option<Self> {
        let directory = tempfile::Builder::new().prefix("pg").tempdir().expect("a directory").keep();
        let user = User::of_server();
        user.own(&directory);
        let mut unpack = user.command("tar");
        let unpack = unpack.arg("-xf").arg("-").current_dir(&directory).stdin(template());
        succeeded(&unpack.output().expect("tar"), "tar -x");
        configure(&directory);
        // Sockets of several servers are in several directories, so one port would do, unless it listens on loopback.
        let port = if listen.is_empty() { 5432 } else { free_port() };
        let mut command = user.command("sh");
        command.args(["-c", SUPERVISOR, "sh"]).arg(binaries()).arg(&directory).arg(port.to_string()).arg(listen);
        command.current_dir(&directory).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().expect("sh");
        let stdin = child.stdin.take().expect("it is piped");
        let mut server = Self { directory, port, running: Some((child, stdin)), databases: AtomicU32::new(0) };
        match server.hear().as_str() {
            "ready" => Some(server),
            _ => None,
        }
    }

    fn hear(&mut self) -> String {
        let (child, _) = self.running.as_mut().expect("it runs");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("it is piped");
        // One line at a time is said, so a buffer reads nothing ahead.
        BufReader::with_capacity(1, out).read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }

    fn tell(&mut self, what: &str) {
        let (_, stdin) = self.running.as_mut().expect("it runs");
        writeln!(stdin, "{what}").expect("the supervisor listens");
        assert_eq!(self.hear(), what, "the supervisor has ended: {}", self.log());
    }

    /// Ends the server at once, as a crash does. Its socket refuses connections then.
    pub fn crash(&mut self) {
        self.tell("crash");
    }

    /// Starts it again.
    pub fn restart(&mut self) {
        self.tell("start");
    }

    /// Has it read its configuration again.
    pub fn reload(&mut self) {
        self.tell("reload");
    }

    /// The directory of the socket; below it `data`, and `log`.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes a directory that the server may write to.
    ///
    /// # Panics
    /// If that is impossible.
    pub fn make_directory(&self, path: &Path) {
        fs::create_dir(path).expect("a directory");
        User::of_server().own(path);
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// The port on loopback, and the number in the name of the socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A new, empty database; gives its name.
    pub fn database(&self) -> String {
        let name = format!("inventory{}", self.databases.fetch_add(1, Ordering::SeqCst));
        self.sql("postgres", &format!("create database {name}"));
        name
    }

    /// The address of a database for this user, over the socket.
    pub fn url(&self, user: &str, database: &str) -> String {
        let socket = self.directory.to_str().expect("a plain path").replace('/', "%2F");
        format!("postgres://{user}@{socket}:{}/{database}", self.port)
    }

    /// Runs statements as the superuser with psql; gives what they print, without alignment.
    ///
    /// # Panics
    /// If one fails.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let output = self.try_sql(database, statements);
        succeeded(&output, statements);
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    /// The same for statements that may fail.
    pub fn try_sql(&self, database: &str, statements: &str) -> Output {
        let mut psql = self.psql(database);
        psql.args(["-At", "-c", statements]).output().expect("psql")
    }

    /// `psql` as the superuser, in this database.
    pub fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(binaries().join("psql"));
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-p"]);
        psql.arg(self.port.to_string()).arg("-h").arg(&self.directory);
        psql
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some((mut child, stdin)) = self.running.take() {
            drop(stdin);
            let _ = child.wait();
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Where `initdb`, `postgres` and `psql` are: of the newest version.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").exists()).max_by_key(version);
    newest.expect("Postgres is installed: tests/run.sh does it").join("bin")
}

/// Postgres does not run as root, so root starts it as another user.
#[derive(Clone, Copy, Debug)]
struct User(Option<(u32, u32)>);

impl User {
    fn of_server() -> Self {
        if fs::metadata("/proc/self").expect("a process").uid() != 0 {
            return Self(None);
        }
        let users = fs::read_to_string("/etc/passwd").expect("a list of users");
        let ids = |name: &str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        Self(Some(ids("postgres").or_else(|| ids("nobody")).expect("another user than root")))
    }

    fn command(self, program: &str) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command
    }

    fn own(self, path: &Path) {
        if let Some((user, group)) = self.0 {
            std::os::unix::fs::chown(path, Some(user), Some(group)).expect("root may");
        }
        // Tests that run as another user reach the socket.
        fs::set_permissions(path, fs::Permissions::from_mode(0o711)).expect("our own directory");
    }
}

/// An empty cluster as a tar file. Making one takes seconds and unpacking it none, so the build directory keeps it.
fn template() -> File {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let version = binaries().parent().and_then(Path::file_name).expect("a version").to_string_lossy().into_owned();
    let path = target.join(format!("postgres-{version}.tar"));
    if let Ok(file) = File::open(&path) {
        return file;
    }
    let made = tempfile::tempdir().expect("a directory");
    let user = User::of_server();
    user.own(made.path());
    let mut initdb = user.command(binaries().join("initdb").to_str().expect("a plain path"));
    initdb.args(["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "-D"]);
    succeeded(&initdb.arg(made.path().join("data")).current_dir(made.path()).output().expect("initdb"), "initdb");
    let file = tempfile::NamedTempFile::new_in(&target).expect("the build directory");
    let mut pack = user.command("tar");
    pack.args(["-cf", "-", "data"]).current_dir(made.path()).stdout(file.reopen().expect("our own file"));
    succeeded(&pack.output().expect("tar"), "tar -c");
    // Another process may make the same meanwhile.
    file.persist(&path).expect("a place in the build directory");
    File::open(&path).expect("what was just made")
}

fn succeeded(output: &Output, what: &str) {
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}
