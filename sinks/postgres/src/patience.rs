//! How long a server may be silent.

use std::time::Duration;

/// The deadlines of one connection. Each is short of a minute, so a server that hangs is reported within one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For one address of the server to take the connection.
    pub(crate) address: Duration,
    /// For all of connecting: addresses, TLS, login.
    pub(crate) connect: Duration,
    /// For the answer to a small statement, and for a part of `COPY` to be taken.
    pub(crate) answer: Duration,
    /// For a statement that may take long, until the server is asked whether it still works on it.
    pub(crate) busy: Duration,
    /// How long a statement waits for a lock that another session has.
    pub(crate) lock: Duration,
    /// For the server to be told that nothing more comes.
    pub(crate) goodbye: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            address: Duration::from_secs(10),
            connect: Duration::from_secs(30),
            answer: Duration::from_secs(45),
            busy: Duration::from_secs(20),
            lock: Duration::from_secs(40),
            goodbye: Duration::from_secs(2),
        }
    }
}

impl Patience {
    /// The same with all deadlines made this many times shorter, for tests.
    #[cfg(feature = "contract")]
    pub(crate) fn divided_by(self, times: u32) -> Self {
        Self {
            address: self.address / times,
            connect: self.connect / times,
            answer: self.answer / times,
            busy: self.busy / times,
            lock: self.lock / times,
            goodbye: self.goodbye,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_hangs_is_reported_within_a_minute() {
        let Patience { address, connect, answer, busy, lock, goodbye } = Patience::default();
        let minute = Duration::from_secs(60);
        assert!(address < connect && connect + goodbye < minute);
        // The server says that it waits for a lock before we give up on its answer.
        assert!(lock < answer && answer + goodbye < minute);
        // Asking takes another connection.
        assert!(busy + connect + goodbye < minute);
    }
}
