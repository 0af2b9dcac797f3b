//! Notifies systemd by the `sd_notify` protocol: ready, reloading, stopping, watchdog, and one line of status. Without
//! `$NOTIFY_SOCKET` nothing is sent. Sending never blocks. If the socket is full, required messages are sent again later and
//! the others are dropped.

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

/// The longest time between two watchdog messages.
const MOST_BETWEEN: Duration = Duration::from_secs(10);
/// Required messages that wait to be sent. There are few reloads in a second.
const MOST_UNSENT: usize = 16;

/// The service manager, if the daemon was started by one.
#[derive(Debug)]
pub(super) struct ServiceManager {
    manager: Option<NotifySocket>,
    /// The time between two watchdog messages: half of the timeout, as `sd_watchdog_enabled(3)` recommends.
    every: Option<Duration>,
    watchdog_sent: Option<Instant>,
    last_status: String,
    unsent: VecDeque<String>,
}

#[derive(Debug)]
struct NotifySocket {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl ServiceManager {
    pub(super) fn of_environment() -> Self {
        let manager = std::env::var_os("NOTIFY_SOCKET")
            .and_then(|name| NotifySocket::at(&name).inspect_err(|e| debug!("cannot use $NOTIFY_SOCKET: {e}")).ok());
        let every = sd_notify::watchdog_enabled().map(|every| (every / 2).min(MOST_BETWEEN));
        Self { manager, every, watchdog_sent: None, last_status: String::new(), unsent: VecDeque::new() }
    }

    pub(super) fn ready(&mut self) {
        self.send_required(&[NotifyState::Ready]);
    }

    /// [`Self::ready`] must follow. The message has the monotonic time, without which `systemctl reload` would wait for ever
    /// (`Type=notify-reload`).
    pub(super) fn reloading(&mut self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send_required(&[NotifyState::Reloading, now]),
            Err(e) => debug!("cannot notify the service manager of the reload: {e}"),
        }
    }

    pub(super) fn stopping(&mut self, status: &str) {
        self.send_required(&[NotifyState::Stopping, NotifyState::Status(status)]);
    }

    /// The loop is running. Only the loop calls this, so that systemd notices if it stalls.
    pub(super) fn alive(&mut self, status: impl FnOnce() -> String) {
        self.send_unsent();
        if self.manager.is_none() || !self.unsent.is_empty() {
            return;
        }
        let now = Instant::now();
        let is_due = |every| self.watchdog_sent.is_none_or(|sent| now.duration_since(sent) >= every);
        if self.every.is_some_and(is_due) && self.send(&message(&[NotifyState::Watchdog])) {
            self.watchdog_sent = Some(now);
        }
        let status = status();
        if status != self.last_status && self.send(&message(&[NotifyState::Status(&status)])) {
            self.last_status = status;
        }
    }

    fn send_required(&mut self, states: &[NotifyState<'_>]) {
        if self.manager.is_some() {
            self.unsent.truncate(MOST_UNSENT - 1);
            self.unsent.push_back(message(states));
            self.send_unsent();
        }
    }

    fn send_unsent(&mut self) {
        while let Some(first) = self.unsent.front() {
            if !self.send(first) {
                return;
            }
            self.unsent.pop_front();
        }
    }

    /// Sends a message. False if the socket is full and the message must be sent again.
    fn send(&self, message: &str) -> bool {
        let Some(NotifySocket { socket, address }) = &self.manager else { return true };
        match socket.send_to_addr(message.as_bytes(), address) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => false,
            Err(e) => {
                debug!("cannot notify the service manager: {e}");
                true
            }
            Ok(_) => true,
        }
    }
}

impl NotifySocket {
    /// A path, or `@` and an abstract name.
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

    fn service_manager() -> (tempfile::TempDir, UnixDatagram, ServiceManager) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("manager");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let told = NotifySocket::at(&path.into_os_string()).unwrap();
        let (every, unsent) = (Some(Duration::from_secs(1)), VecDeque::new());
        (
            directory,
            manager,
            ServiceManager { manager: Some(told), every, watchdog_sent: None, last_status: String::new(), unsent },
        )
    }

    fn received(manager: &UnixDatagram) -> Vec<String> {
        let mut message = [0; 4096];
        let next = || manager.recv(&mut message).ok().map(|length| String::from_utf8_lossy(&message[..length]).into());
        std::iter::from_fn(next).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_message_is_sent_in_time_and_the_status_when_it_changes() {
        let (_directory, manager, mut service_manager) = service_manager();
        service_manager.ready();
        service_manager.alive(|| "idle".to_owned());
        service_manager.alive(|| "idle".to_owned());
        assert_eq!(received(&manager), ["READY=1\n", "WATCHDOG=1\n", "STATUS=idle\n"]);
        tokio::time::advance(Duration::from_secs(1)).await;
        service_manager.alive(|| "busy".to_owned());
        assert_eq!(received(&manager), ["WATCHDOG=1\n", "STATUS=busy\n"]);
        service_manager.reloading();
        let [reloading] = &received(&manager)[..] else { panic!("one message") };
        assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    }

    #[tokio::test]
    async fn a_full_socket_does_not_block_and_required_messages_are_sent_later() {
        let (_directory, manager, mut service_manager) = service_manager();
        for turn in 0..1000 {
            service_manager.alive(|| turn.to_string());
        }
        service_manager.ready();
        let before = received(&manager);
        assert!((2..1000).contains(&before.len()) && !before.contains(&"READY=1\n".to_owned()), "{before:?}");
        service_manager.alive(|| "idle".to_owned());
        assert_eq!(received(&manager), ["READY=1\n", "STATUS=idle\n"]);
    }

    #[test]
    fn an_abstract_name_begins_with_an_at_sign() {
        let name = format!("stocktake-tests-{}-{}", std::process::id(), fastrand::u64(..));
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let told = NotifySocket::at(&format!("@{name}").into()).unwrap();
        told.socket.send_to_addr(b"READY=1\n", &told.address).unwrap();
        manager.set_nonblocking(true).unwrap();
        assert_eq!(received(&manager), ["READY=1\n"]);
    }
}
