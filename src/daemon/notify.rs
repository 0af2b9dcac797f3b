//! What systemd is told, by its `sd_notify` protocol: ready, reloading, stopping, alive, and one line of status. Without
//! `$NOTIFY_SOCKET` nothing is sent. Nobody waits for a service manager that does not read: what it must know is sent
//! again later, the rest is passed over.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;
use tracing::debug;

/// The watchdog is fed no rarer than this, however patient it is.
const FEED: Duration = Duration::from_secs(10);
/// What must be known and could not be sent; there are few reloads in a second.
const UNSENT: usize = 16;

/// The service manager, if there is one.
#[derive(Debug)]
pub(super) struct Supervisor {
    manager: Option<Manager>,
    /// How often it is to hear that we are alive: half of what it allows, as `sd_watchdog_enabled(3)` recommends.
    every: Option<Duration>,
    fed: Option<Instant>,
    said: String,
    unsent: VecDeque<String>,
}

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Supervisor {
    pub(super) fn of_environment() -> Self {
        let manager = std::env::var_os("NOTIFY_SOCKET").and_then(|name| {
            Manager::at(&name).inspect_err(|e| debug!("the service manager cannot be told anything: {e}")).ok()
        });
        let every = sd_notify::watchdog_enabled().map(|every| (every / 2).min(FEED));
        Self { manager, every, fed: None, said: String::new(), unsent: VecDeque::new() }
    }

    pub(super) fn ready(&mut self) {
        self.must_know(&[NotifyState::Ready]);
    }

    /// [`Self::ready`] is to follow. Without the time `systemctl reload` would wait for ever (`Type=notify-reload`).
    pub(super) fn reloading(&mut self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.must_know(&[NotifyState::Reloading, now]),
            Err(e) => debug!("the service manager is not told of the reload: {e}"),
        }
    }

    pub(super) fn stopping(&mut self, status: &str) {
        self.must_know(&[NotifyState::Stopping, NotifyState::Status(status)]);
    }

    /// The loop turns. Nobody else calls this: a loop that hangs is to be noticed.
    pub(super) fn alive(&mut self, status: impl FnOnce() -> String) {
        self.send_what_is_left();
        if self.manager.is_none() || !self.unsent.is_empty() {
            return;
        }
        let now = Instant::now();
        let is_hungry = |every| self.fed.is_none_or(|fed| now.duration_since(fed) >= every);
        if self.every.is_some_and(is_hungry) && self.send(&message(&[NotifyState::Watchdog])) {
            self.fed = Some(now);
        }
        let status = status();
        if status != self.said && self.send(&message(&[NotifyState::Status(&status)])) {
            self.said = status;
        }
    }

    fn must_know(&mut self, states: &[NotifyState<'_>]) {
        if self.manager.is_some() {
            self.unsent.truncate(UNSENT - 1);
            self.unsent.push_back(message(states));
            self.send_what_is_left();
        }
    }

    fn send_what_is_left(&mut self) {
        while let Some(first) = self.unsent.front() {
            if !self.send(first) {
                return;
            }
            self.unsent.pop_front();
        }
    }

    /// Whether nothing more is to be done about it.
    fn send(&self, message: &str) -> bool {
        let Some(Manager { socket, address }) = &self.manager else { return true };
        match socket.send_to_addr(message.as_bytes(), address) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => false,
            Err(e) => {
                debug!("the service manager is not told: {e}");
                true
            }
            Ok(_) => true,
        }
    }
}

impl Manager {
    /// A path, or an abstract name behind an `@`.
    fn at(name: &OsString) -> io::Result<Self> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }
}

fn message(states: &[NotifyState<'_>]) -> String {
    states.iter().fold(String::new(), |mut text, state| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{state}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervisor() -> (tempfile::TempDir, UnixDatagram, Supervisor) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("manager");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let told = Manager::at(&path.into_os_string()).unwrap();
        let (every, unsent) = (Some(Duration::from_secs(1)), VecDeque::new());
        (directory, manager, Supervisor { manager: Some(told), every, fed: None, said: String::new(), unsent })
    }

    fn heard(manager: &UnixDatagram) -> Vec<String> {
        let mut message = [0; 4096];
        let next = || manager.recv(&mut message).ok().map(|length| String::from_utf8_lossy(&message[..length]).into());
        std::iter::from_fn(next).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_as_often_as_it_wants_and_the_status_told_when_it_changes() {
        let (_directory, manager, mut supervisor) = supervisor();
        supervisor.ready();
        supervisor.alive(|| "idle".to_owned());
        supervisor.alive(|| "idle".to_owned());
        assert_eq!(heard(&manager), ["READY=1\n", "WATCHDOG=1\n", "STATUS=idle\n"]);
        tokio::time::advance(Duration::from_secs(1)).await;
        supervisor.alive(|| "busy".to_owned());
        assert_eq!(heard(&manager), ["WATCHDOG=1\n", "STATUS=busy\n"]);
        supervisor.reloading();
        let [reloading] = &heard(&manager)[..] else { panic!("one message") };
        assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    }

    #[tokio::test]
    async fn a_manager_that_does_not_read_is_not_waited_for_and_learns_what_it_must_know() {
        let (_directory, manager, mut supervisor) = supervisor();
        for turn in 0..1000 {
            supervisor.alive(|| turn.to_string());
        }
        supervisor.ready();
        let before = heard(&manager);
        assert!((2..1000).contains(&before.len()) && !before.contains(&"READY=1\n".to_owned()), "{before:?}");
        supervisor.alive(|| "idle".to_owned());
        assert_eq!(heard(&manager), ["READY=1\n", "STATUS=idle\n"]);
    }

    #[test]
    fn an_abstract_name_stands_behind_an_at() {
        let name = format!("stocktake-tests-{}-{}", std::process::id(), fastrand::u64(..));
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let told = Manager::at(&format!("@{name}").into()).unwrap();
        told.socket.send_to_addr(b"READY=1\n", &told.address).unwrap();
        manager.set_nonblocking(true).unwrap();
        assert_eq!(heard(&manager), ["READY=1\n"]);
    }
}
