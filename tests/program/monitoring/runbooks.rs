//! Every command of the runbooks and of the page about operations is run: ours against a real daemon and a registry,
//! those of the system as far as they can be without a host that systemd has started. A command of a program that is not
//! listed here fails the test.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use fake_registry::{FakeRegistry, RepositoryNames, Script};
use tokio::process::Command;

use super::files::read;
use crate::daemon::scheduled_runs::NEVER;
use crate::house::layers::root;
use crate::support::daemon::Daemon;
use crate::support::program::{LOGIN, Workplace, one_registry};

/// The programs that are run as they are.
const REAL: [&str; 8] = ["curl", "df", "grep", "ps", "ss", "tail", "uptime", "dmesg"];

/// Programs that have a stand-in, because the real one acts on the host of the test or needs a running systemd. A stand-in
/// refuses what it does not know.
const STAND_INS: [(&str, &str); 10] = [
    ("stocktake", "exec false"),
    // It knows our units, by their files, and one of Debian's.
    (
        "systemctl",
        r#"case "$1" in status|start|restart|reload|kill|enable|daemon-reload) ;; *) echo "$1?" >&2; exit 64;; esac
verb=$1; shift
for argument; do
  case "$argument" in
    --signal=USR1|--kill-whom=main|--now) ;;
    systemd-timesyncd) ;;
    *) [ -f "$UNITS/$argument.service" ] || { echo "$argument?" >&2; exit 64; } ;;
  esac
done
[ "$verb" != kill ] || kill -s USR1 "$DAEMON"
[ "$verb" != reload ] || kill -s HUP "$DAEMON""#,
    ),
    // The real one reads its options; there is no journal.
    (
        "journalctl",
        r#"real=/usr/bin/journalctl
if [ -x $real ]; then $real --directory="$HOME" "$@" >/dev/null || exit 64; fi
echo 'a token, a panic'"#,
    ),
    ("timedatectl", "[ $# = 0 ]"),
    ("chronyc", "[ \"$*\" = makestep ]"),
    // It starts the command with a user and secrets of its own; the command is what we can run.
    (
        "systemd-run",
        r#"while [ "$1" != stocktake ]; do
  case "$1" in --pipe) shift ;; -p) shift 2 ;; *) echo "$1?" >&2; exit 64 ;; esac
done
exec "$@""#,
    ),
    // Its secret is a file, and the program of its image is ours.
    (
        "podman",
        r#"case "$*" in
  "secret create "*) [ $# = 4 ] ;;
  "run --secret "*) shift 4; exec stocktake "$@" --help >/dev/null ;;
  *) echo "$1?" >&2; exit 64 ;;
esac"#,
    ),
    ("sudo", "exec \"$@\""),
    // A table leaves out the name of the program; RUN and N stand for what a reader puts there.
    ("snapshots", "exec stocktake snapshots \"$1\" --help >/dev/null"),
    // Into another root.
    (
        "install",
        r#"mkdir -p "$HOME/root/usr/bin" "$HOME/root/etc/systemd/system"
for argument; do
  shift
  case "$argument" in /usr/*|/etc/*) argument="$HOME/root$argument" ;; esac
  set -- "$@" "$argument"
done
exec /usr/bin/install "$@""#,
    ),
];

/// Commands that are not run here, and why.
const NOT_RUN: [(&str, &str); 2] = [
    ("stocktake daemon", "it is the daemon that the other commands are for"),
    ("docker run --init", "it is an option, named as what is not needed"),
];

/// The commands of a page: the lines of its blocks of shell, and what stands in backticks in its text and begins with the
/// name of a program.
fn commands(page: &str) -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    let mut text = String::new();
    for (nth, part) in page.split("```").enumerate() {
        match part.strip_prefix("sh\n") {
            Some(block) => commands.extend(block.replace(" \\\n  ", " ").lines().map(without_comment)),
            None if nth % 2 == 0 => text.push_str(part),
            None => {}
        }
    }
    let spans = text.split('`').skip(1).step_by(2).map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "));
    commands.extend(spans.filter(|span| is_command(span)));
    commands.retain(|command| !command.is_empty());
    commands
}

fn without_comment(line: &str) -> String {
    line.split(" #").next().unwrap_or_default().trim().to_owned()
}

/// A program with arguments, or one of those that are listed without any. Units and settings are no commands.
fn is_command(span: &str) -> bool {
    let first = span.split(' ').next().unwrap_or_default();
    let is_word = first.starts_with(|c: char| c.is_ascii_lowercase())
        && first.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let has_arguments = span.contains(' ');
    is_word && (has_arguments || ["timedatectl", "uptime"].contains(&first))
}

/// The programs that a command starts.
fn programs(command: &str) -> impl Iterator<Item = &str> {
    command.split('|').filter_map(|part| part.split_whitespace().next())
}

#[test]
fn the_reader_of_commands_sees_what_it_should() {
    let page = "Do `df /x`, see `web: {a: b}`, `state`, `timedatectl`, `no_such_key`.\n```sh\nstocktake check NAME # why\n\
                curl -s a | grep b\n```\n`a\nb`\n```yaml\nx: y\n```\n";
    let expected = ["a b", "curl -s a | grep b", "df /x", "stocktake check NAME", "timedatectl"];
    assert_eq!(commands(page).into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(programs("curl -s a | grep b").collect::<Vec<_>>(), ["curl", "grep"]);
}

#[tokio::test]
async fn every_command_of_the_runbooks_works() {
    let pages = ["docs/runbooks.md", "docs/operations.md"];
    let all: BTreeSet<_> = pages.iter().flat_map(|page| commands(&read(page))).collect();
    assert!(all.len() > 30, "the test sees commands: {all:?}");
    let known: BTreeSet<_> = REAL.into_iter().chain(STAND_INS.map(|(name, _)| name)).collect();
    let is_run = |command: &&String| NOT_RUN.iter().all(|(not_run, _)| command != not_run);
    for command in all.iter().filter(is_run) {
        for program in programs(command) {
            assert!(known.contains(program), "`{command}` is not covered: list {program} in this test");
        }
    }
    let host = Host::start().await;
    for command in all.iter().filter(is_run) {
        host.runs(command).await;
    }
    // What the signals and the requests have asked for has taken place.
    host.daemon.until("stocktake_runs_total{registry=\"quay\",trigger=\"manual\"}", |runs| runs >= Some(1.0)).await;
    host.daemon.stop().await.exits(0);
}

/// A host with a registry, a daemon that asks for no login, and one that starts runs for those who log in.
struct Host {
    place: Workplace,
    daemon: Daemon,
    with_login: Daemon,
    registry: FakeRegistry,
    _other: Workplace,
}

impl Host {
    async fn start() -> Self {
        let registry = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(30, 1))).await.unwrap();
        let yaml = format!("listen: 127.0.0.1:0\n{}", one_registry(&registry.url(), &format!("{LOGIN}{NEVER}")));
        let (place, other) = (Workplace::with(&yaml), Workplace::new());
        let hash = bcrypt::hash("open sesame", 4).unwrap();
        let web = format!("web: {{allow_runs: true, basic_auth_users: {{ops: '{hash}'}}}}\n");
        other.configure(&(web + &yaml));
        for (name, script) in STAND_INS {
            place.script(&format!("bin/{name}"), script);
        }
        for file in ["home/.cargo/bin", "home/journal"] {
            std::fs::create_dir_all(place.path(file)).unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_stocktake"), place.path("home/.cargo/bin/stocktake")).unwrap();
        symlink(root().join("systemd"), place.path("systemd")).unwrap();
        let (daemon, with_login) = (Daemon::start(&place).await, Daemon::start(&other).await);
        Self { place, daemon, with_login, registry, _other: other }
    }

    /// The command with what its reader has to put in.
    fn filled(&self, command: &str) -> String {
        let is_login = command.contains("-u USER");
        let daemon = if is_login { &self.with_login } else { &self.daemon };
        let address = daemon.base.strip_prefix("http://").unwrap();
        let port = address.rsplit(':').next().unwrap();
        let registry = self.registry.url();
        let host = format!("{}:{}", registry.host_str().unwrap(), registry.port().unwrap());
        let state = self.place.path("").display().to_string();
        let values = [
            (" [REGISTRY…]", " NAME"),
            ("NAME/", "quay/"),
            (" NAME", " quay"),
            ("-u USER", "-fsS -u 'ops:open sesame'"),
            ("https://localhost:9914", &daemon.base),
            ("localhost:9914", address),
            ("grep 9914", &format!("grep {port}")),
            ("https://HOST", &format!("http://{host}")),
            ("/var/lib/stocktake", &state),
            ("--config /etc/stocktake/stocktake.yaml", "--config stocktake.yaml"),
            ("FILE.prom", "metrics.prom"),
        ];
        values.iter().fold(command.to_owned(), |command, (from, to)| command.replace(from, to))
    }

    async fn runs(&self, command: &str) {
        let filled = self.filled(command);
        // As on a host, the configuration is found without `--config`.
        let has_config = filled.contains("--config") || filled.contains("demo");
        let stocktake = format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_stocktake"));
        let script = if has_config { stocktake } else { format!("{stocktake} --config stocktake.yaml") };
        self.place.script("bin/stocktake", &script);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("set -e\n{filled}")]).current_dir(self.place.path("")).env_clear();
        shell.env("PATH", self.place.path_with("bin")).env("HOME", self.place.path("home"));
        shell.env("DAEMON", self.daemon.running.pid.to_string()).env("UNITS", root().join("systemd"));
        let output = shell.kill_on_drop(true).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "`{command}` fails as `{filled}` with {}:\n{said}", output.status);
    }
}
