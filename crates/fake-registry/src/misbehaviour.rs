//! How the server misbehaves, and for which requests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::SeenRequest;

type Choose = dyn Fn(&SeenRequest, u64) -> Option<Misbehaviour> + Send + Sync;

/// Chooses the misbehaviour for a request.
#[derive(Clone)]
pub struct MisbehaviourRule(Arc<Choose>);

impl MisbehaviourRule {
    /// `choose` gets a request and its number at its endpoint, from 1 on.
    pub fn new(choose: impl Fn(&SeenRequest, u64) -> Option<Misbehaviour> + Send + Sync + 'static) -> Self {
        Self(Arc::new(choose))
    }

    pub(super) fn of(&self, seen: &SeenRequest, nth: u64) -> Option<Misbehaviour> {
        (self.0)(seen, nth)
    }
}

impl fmt::Debug for MisbehaviourRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MisbehaviourRule")
    }
}

/// How the server misbehaves for one request.
#[derive(Clone, Debug)]
pub enum Misbehaviour {
    /// Sends this response instead of the regular one.
    Respond {
        /// The status.
        status: u16,
        /// The headers. A name may occur more than once.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// Closes the connection without a response.
    Drop,
    /// Sends no response and keeps the connection open.
    Hang,
    /// Sends the regular response, with its body in pieces of this many bytes.
    Drip {
        /// The size of a piece in bytes, at least 1.
        bytes: usize,
        /// The pause before each piece.
        every: Duration,
    },
    /// Sends the regular response, but closes the connection in the middle of the body.
    Truncate,
    /// Sends the regular response after a delay.
    Delay(Duration),
}

impl Misbehaviour {
    /// A response with this status and nothing else.
    pub fn status(status: u16) -> Self {
        Self::Respond { status, headers: Vec::new(), body: Vec::new() }
    }

    /// The same response with one more header. Has no effect on other variants.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Respond { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The same response with this body. Has no effect on other variants.
    #[must_use]
    pub fn body(mut self, text: impl Into<Vec<u8>>) -> Self {
        if let Self::Respond { body, .. } = &mut self {
            *body = text.into();
        }
        self
    }
}
