//! A small disk that can be filled to the last page: a tmpfs in a mount namespace of its own, which the kernel takes
//! away when the test ends, however it ends.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What a tmpfs gives out space in.
const PAGE: usize = 4096;

/// The disk, and the process that holds its namespace open.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    holder: Child,
    mounted_at: PathBuf,
}

impl SmallDisk {
    /// Mounts it at a directory, which is made.
    pub(crate) fn mount(at: &Path, kilobytes: usize) -> Self {
        fs::create_dir(at).expect("a directory");
        // It reads its standard input, so it ends with the test even if that is killed.
        let script = format!("mount -t tmpfs -o size={kilobytes}k none \"$0\" && echo mounted && exec cat");
        let mut command = Command::new("unshare");
        if !is_root() {
            // Root of a user namespace may mount a tmpfs too, where the kernel lets every user have one, as Debian's does.
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script]).arg(at);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut holder = command.spawn().expect("unshare, of util-linux");
        let mut line = String::new();
        let answer = holder.stdout.take().expect("it is piped");
        let disk = Self { holder, mounted_at: at.to_owned() };
        BufReader::new(answer).read_line(&mut line).expect("text");
        assert_eq!(line, "mounted\n", "this test mounts a tmpfs: run it as root, or let users have namespaces");
        disk
    }

    /// The same command within the namespace, where the disk is mounted.
    pub(crate) fn enter(&self, command: &Command) -> Command {
        let mut entered = Command::new("nsenter");
        if !is_root() {
            // Who we are is root in there already.
            entered.arg(format!("--user=/proc/{}/ns/user", self.holder.id())).arg("--preserve-credentials");
        }
        entered.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()));
        entered.arg(format!("--wdns={}", command.get_current_dir().expect("a working directory").display()));
        entered.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null()).stdout(Stdio::null());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => entered.env(name, value),
                None => entered.env_remove(name),
            };
        }
        entered
    }

    /// Where the test, outside of the namespace, sees a path within.
    pub(crate) fn seen(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(path.strip_prefix("/").expect("an absolute path"))
    }

    /// Fills it up to so many free pages.
    pub(crate) fn fill(&self, free_pages: usize) {
        let mut ballast = File::create(self.ballast()).expect("a file");
        let mut pages = 0_u64;
        loop {
            match ballast.write(&[0; PAGE]) {
                Ok(PAGE) => pages += 1,
                Err(e) if e.kind() == ErrorKind::StorageFull => break,
                other => panic!("fill a page: {other:?}"),
            }
        }
        let kept = pages.checked_sub(free_pages as u64).expect("the disk is larger than that");
        ballast.set_len(kept * PAGE as u64).expect("it shrinks");
    }

    /// Makes room again.
    pub(crate) fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("it was filled");
    }

    /// The file that fills it.
    pub(crate) fn ballast(&self) -> PathBuf {
        self.seen(&self.mounted_at).join("ballast")
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("a process").uid() == 0
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
