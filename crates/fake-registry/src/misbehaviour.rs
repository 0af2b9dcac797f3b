//! What goes wrong with a request, and with which one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::SeenRequest;

type Choose = dyn Fn(&SeenRequest, u64) -> Option<Misbehaviour> + Send + Sync;

/// Chooses the fault of a request.
#[derive(Clone)]
pub struct MisbehaviourRule(Arc<Choose>);

impl MisbehaviourRule {
    /// The fault of a request and its number among those to its endpoint, from 1 on.
    pub fn new(choose: impl Fn(&SeenRequest, u64) -> Option<Misbehaviour> + Send + Sync + 'static) -> Self {
        Self(Arc::new(choose))
    }

    pub(super) fn of(&self, seen: &SeenRequest, nth: u64) -> Option<Misbehaviour> {
        (self.0)(seen, nth)
    }
}

impl fmt::Debug for MisbehaviourRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults")
    }
}

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub enum Misbehaviour {
    /// This answer instead of the right one.
    Respond {
        /// The status.
        status: u16,
        /// Headers; a name may occur again.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// The connection closes without an answer.
    Drop,
    /// No answer, and the connection stays open.
    Hang,
    /// The right answer, this many bytes of its body at a time.
    Drip {
        /// Bytes at a time, at least 1.
        bytes: usize,
        /// The pause before each piece.
        every: Duration,
    },
    /// The right answer, but the connection closes in the middle of its body.
    Truncate,
    /// The right answer, later.
    Delay(Duration),
}

impl Misbehaviour {
    /// An answer of this status alone.
    pub fn status(status: u16) -> Self {
        Self::Respond { status, headers: Vec::new(), body: Vec::new() }
    }

    /// The same answer with one more header; of no effect on other faults.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Respond { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The same answer with this body; of no effect on other faults.
    #[must_use]
    pub fn body(mut self, text: impl Into<Vec<u8>>) -> Self {
        if let Self::Respond { body, .. } = &mut self {
            *body = text.into();
        }
        self
    }
}
