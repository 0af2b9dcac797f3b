//! What happens on the network instead of a complete answer, in words that a person reads once. The errors of libraries
//! stay in the log, at level debug.

use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::problem::cause::KnownCause;
use crate::problem::proxy::ProxyName;
use crate::problem::proxy_cause::ProxyCause;
use crate::problem::tls_cause::TlsCause;
use crate::problem::tries::{Spell, tries_in_words};

/// Whom a connection is to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A server, as `host:port`.
    Server(String),
    /// A proxy.
    Proxy(ProxyName),
}

impl Peer {
    /// Without the port, if it is a server.
    fn host(&self) -> String {
        match self {
            Self::Server(address) => address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host).to_owned(),
            Self::Proxy(name) => name.to_string(),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(address) => f.write_str(address),
            Self::Proxy(name) => name.fmt(f),
        }
    }
}

/// There is no connection, or no complete answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkProblem {
    pub(crate) peer: Peer,
    pub(crate) event: NetworkEvent,
    /// How often it was tried, and for how long, if more than once.
    pub(crate) tries: Option<(u32, Duration)>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NetworkEvent {
    /// The name has no address.
    NoAddress,
    /// Nobody could be asked for the name's address.
    NoNameServer,
    /// No connection, for this reason.
    NoConnection(String),
    /// A connection without a TLS handshake, for this reason.
    NoHandshake(String),
    /// The server closed the connection before it answered.
    Closed,
    /// The server reset the connection before it answered.
    Reset,
    /// The answer ended after so many bytes of its body.
    CutOff(u64),
    /// No complete answer within this time.
    Silent(Duration),
    /// The answer is not HTTP, or breaks its rules.
    NotHttp,
    /// The connection broke in another way.
    Other(String),
}

impl NetworkProblem {
    pub(crate) fn new(peer: Peer, event: NetworkEvent) -> Self {
        Self { peer, event, tries: None }
    }

    pub(crate) fn boxed(peer: Peer, event: NetworkEvent) -> Box<Self> {
        Box::new(Self::new(peer, event))
    }

    /// Whether there was no connection.
    pub(crate) fn is_connect(&self) -> bool {
        matches!(
            self.event,
            NetworkEvent::NoAddress
                | NetworkEvent::NoNameServer
                | NetworkEvent::NoConnection(_)
                | NetworkEvent::NoHandshake(_)
        )
    }

    /// The known cause that this is a symptom of.
    pub(crate) fn cause(&self) -> Option<KnownCause> {
        match (&self.peer, &self.event) {
            (Peer::Proxy(name), _) => Some(KnownCause::Proxy(ProxyCause::Unreachable { variable: name.variable })),
            (_, NetworkEvent::NoAddress | NetworkEvent::NoNameServer) => Some(KnownCause::UnknownHost),
            (_, NetworkEvent::NoConnection(_)) => Some(KnownCause::Unreachable),
            (_, NetworkEvent::NoHandshake(_)) => Some(KnownCause::Tls(TlsCause::NoTls)),
            _ => None,
        }
    }
}

impl NetworkEvent {
    /// The event of a connection that could not be made.
    pub(crate) fn no_connection(error: &io::Error) -> Self {
        Self::NoConnection(words(error))
    }

    /// The event of a name that could not be looked up. The resolver of the C library has no kinds of errors.
    pub(crate) fn no_address(error: &io::Error) -> Self {
        let is_passing = error.kind() == ErrorKind::TimedOut || error.to_string().contains("emporary failure");
        if is_passing { Self::NoNameServer } else { Self::NoAddress }
    }

    /// The event of a connection that broke before the answer.
    pub(crate) fn broken(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => Self::Reset,
            ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Other(words(error)),
        }
    }
}

/// An error of the operating system in words, without its number.
pub(crate) fn words(error: &io::Error) -> String {
    let known = match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset => "connection reset",
        ErrorKind::HostUnreachable => "host unreachable",
        ErrorKind::NetworkUnreachable => "network unreachable",
        ErrorKind::NetworkDown => "the network is down",
        ErrorKind::TimedOut => "connection timed out",
        ErrorKind::AddrNotAvailable => "this machine has no address, or no free port, for it",
        ErrorKind::PermissionDenied => "this machine does not permit it (a firewall or a security policy)",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let text = error.to_string();
    let text = text.split_once(" (os error").map_or(text.as_str(), |(text, _)| text);
    let mut first = text.chars();
    first.next().map_or_else(String::new, |c| c.to_lowercase().chain(first).collect())
}

impl fmt::Display for NetworkProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = &self.peer;
        // The name of a proxy is an apposition, which a comma ends.
        let comma = if matches!(peer, Peer::Proxy(_)) { "," } else { "" };
        match &self.event {
            NetworkEvent::NoAddress => write!(f, "cannot reach {}: no address is known for this name", peer.host()),
            NetworkEvent::NoNameServer => write!(f, "cannot reach {}: no name server answers", peer.host()),
            NetworkEvent::NoHandshake(why) => write!(f, "no TLS handshake with {peer}: {why}"),
            NetworkEvent::NoConnection(why) => write!(f, "cannot reach {peer}: {why}"),
            NetworkEvent::Closed => write!(f, "{peer}{comma} closed the connection before it answered"),
            NetworkEvent::Reset => write!(f, "{peer}{comma} reset the connection before it answered"),
            NetworkEvent::CutOff(bytes) => write!(f, "the answer of {peer}{comma} was cut off after {bytes} bytes"),
            NetworkEvent::Silent(within) => {
                write!(f, "no complete answer from {peer}{comma} within {}", Spell(*within))
            }
            NetworkEvent::NotHttp => write!(f, "the answer of {peer}{comma} is not valid HTTP"),
            NetworkEvent::Other(why) => write!(f, "the connection to {peer}{comma} broke: {why}"),
        }?;
        f.write_str(&tries_in_words(self.tries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_one_sentence_without_the_words_of_libraries() {
        let of = |event| NetworkProblem::new(Peer::Server("r.example:443".into()), event);
        let refused = NetworkEvent::no_connection(&io::Error::from_raw_os_error(111));
        let tried = NetworkProblem { tries: Some((6, Duration::from_millis(10_400))), ..of(refused.clone()) };
        assert_eq!(tried.to_string(), "cannot reach r.example:443: connection refused (6 tries in 10 s)");
        let proxy = Peer::Proxy(ProxyName { variable: "HTTPS_PROXY", address: "p:1".into() });
        let through = NetworkProblem::new(proxy, refused);
        assert_eq!(through.to_string(), "cannot reach the proxy of $HTTPS_PROXY, p:1: connection refused");
        let os = |number| io::Error::from_raw_os_error(number);
        for (event, words) in [
            (NetworkEvent::no_connection(&os(101)), "cannot reach r.example:443: network unreachable"),
            (NetworkEvent::no_connection(&os(113)), "cannot reach r.example:443: host unreachable"),
            (NetworkEvent::no_connection(&os(24)), "cannot reach r.example:443: too many open files"),
            (NetworkEvent::broken(&os(104)), "r.example:443 reset the connection before it answered"),
            (NetworkEvent::Closed, "r.example:443 closed the connection before it answered"),
            (NetworkEvent::CutOff(17), "the answer of r.example:443 was cut off after 17 bytes"),
            (NetworkEvent::Silent(Duration::from_secs(30)), "no complete answer from r.example:443 within 30 s"),
            (NetworkEvent::NotHttp, "the answer of r.example:443 is not valid HTTP"),
        ] {
            assert_eq!(of(event).to_string(), words);
        }
        let lookup = |text: &str| NetworkEvent::no_address(&io::Error::other(text.to_owned()));
        let failed = "failed to lookup address information: ";
        assert_eq!(lookup(&format!("{failed}Temporary failure in name resolution")), NetworkEvent::NoNameServer);
        assert_eq!(lookup(&format!("{failed}Name or service not known")), NetworkEvent::NoAddress);
    }
}
