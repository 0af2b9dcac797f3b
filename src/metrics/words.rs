//! The closed lists that label values come from, and where in them something belongs.

use stocktake_sink::{SinkErrorKind, Trigger};

use crate::registry::Fault;
use crate::run::DeliveryError;

/// HTTP status codes: those that an operator acts on by themselves, the others by their class.
pub(super) const CODES: [&str; 8] = ["2xx", "3xx", "401", "403", "404", "429", "4xx", "5xx"];

/// Where 429 stands among [`CODES`].
pub(super) const LIMITED: usize = 5;

pub(super) fn of_status(status: u16) -> usize {
    match status {
        200..=299 => 0,
        300..=399 => 1,
        401 => 2,
        403 => 3,
        404 => 4,
        429 => LIMITED,
        400..=499 => 6,
        _ => 7,
    }
}

/// Faults that can keep a page from coming.
pub(super) const OF_PAGES: [Fault; 11] = [
    Fault::CredentialsRejected,
    Fault::SecretUnreadable,
    Fault::Denied,
    Fault::Unsupported,
    Fault::RateLimited,
    Fault::Unreachable,
    Fault::ServerError,
    Fault::Tls,
    Fault::Protocol,
    Fault::Untrusted,
    Fault::Endless,
];

/// Faults that can keep a token from coming.
pub(super) const OF_TOKENS: [Fault; 9] = [
    Fault::CredentialsRejected,
    Fault::SecretUnreadable,
    Fault::Denied,
    Fault::RateLimited,
    Fault::Unreachable,
    Fault::ServerError,
    Fault::Tls,
    Fault::Protocol,
    Fault::Untrusted,
];

/// Where a fault stands in a list; one that it does not foresee is an odd answer.
pub(super) fn of_fault(fault: Fault, list: &[Fault]) -> usize {
    let at = |wanted| list.iter().position(|fault| *fault == wanted);
    at(fault).or_else(|| at(Fault::Protocol)).unwrap_or_default()
}

/// What a run that published nothing may give for a reason besides a [`Fault`].
const BESIDES_FAULTS: [&str; 6] = ["failed", "suspicious", "partial", "no_progress", "state", "interrupted"];

/// Why a run published nothing.
pub(super) const OF_RUNS: [&str; Fault::ALL.len() + BESIDES_FAULTS.len()] = {
    let mut words = [""; Fault::ALL.len() + BESIDES_FAULTS.len()];
    let mut at = 0;
    while at < words.len() {
        let besides = at.checked_sub(Fault::ALL.len());
        words[at] = match besides {
            Some(besides) => BESIDES_FAULTS[besides],
            None => Fault::ALL[at].as_str(),
        };
        at += 1;
    }
    words
};

/// Where a reason stands in the list; one that it does not foresee is a failure without a name.
pub(super) fn of_run(code: &str) -> usize {
    OF_RUNS.iter().position(|word| *word == code).unwrap_or(Fault::ALL.len())
}

/// Who asks for runs.
pub(super) const TRIGGERS: [&str; 2] = ["schedule", "manual"];

pub(super) fn of_trigger(trigger: Trigger) -> usize {
    match trigger {
        Trigger::Schedule => 0,
        Trigger::Manual => 1,
    }
}

/// The outcomes of a run, from good to bad.
pub(super) const OUTCOMES: [&str; 3] = ["success", "partial", "failed"];

/// Why a sink did not take a snapshot.
pub(super) const OF_SINKS: [&str; 6] = ["unavailable", "full", "forbidden", "invalid", "snapshot", "interrupted"];

/// Where the failures stand that a sink is asked again after.
pub(super) const TRIED_AGAIN: usize = 0;

pub(super) fn of_delivery(error: &DeliveryError) -> usize {
    match error {
        DeliveryError::Sink(error) => of_sink(error.kind()),
        DeliveryError::Interrupted => 5,
    }
}

pub(super) fn of_sink(kind: SinkErrorKind) -> usize {
    match kind {
        SinkErrorKind::Unavailable => TRIED_AGAIN,
        SinkErrorKind::Full => 1,
        SinkErrorKind::Forbidden => 2,
        SinkErrorKind::Invalid => 3,
        SinkErrorKind::Snapshot => 4,
    }
}

/// Levels of log messages.
pub(super) const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Why a slot of the schedule had no run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// A run of this registry was in progress, of whichever process.
    Overlap,
    /// Nobody was there, for longer than `catch_up`.
    Missed,
    /// The credentials were refused too often to be sent again.
    Suspended,
}

impl Skip {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Overlap, Self::Missed, Self::Suspended];

    /// A word for labels: `overlap`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overlap => "overlap",
            Self::Missed => "missed",
            Self::Suspended => "suspended",
        }
    }
}

#[cfg(test)]
mod tests {
    use stocktake_sink::Verdict;

    use super::*;
    use crate::registry::{Endpoint, Loss, SafetyRule};

    #[test]
    fn every_status_has_its_word() {
        for (status, word) in [
            (200, "2xx"),
            (204, "2xx"),
            (307, "3xx"),
            (400, "4xx"),
            (401, "401"),
            (403, "403"),
            (404, "404"),
            (405, "4xx"),
            (429, "429"),
            (499, "4xx"),
            (500, "5xx"),
            (999, "5xx"),
        ] {
            assert_eq!(CODES[of_status(status)], word, "{status}");
        }
        assert_eq!(CODES[LIMITED], "429");
    }

    #[test]
    fn what_is_counted_by_its_number_stands_in_that_order() {
        assert!(Endpoint::ALL.iter().enumerate().all(|(at, endpoint)| *endpoint as usize == at));
        assert!(Loss::ALL.iter().enumerate().all(|(at, loss)| *loss as usize == at));
        assert!(SafetyRule::ALL.iter().enumerate().all(|(at, rule)| *rule as usize == at));
        assert!(Skip::ALL.iter().enumerate().all(|(at, skip)| *skip as usize == at));
        assert_eq!(TRIGGERS[of_trigger(Trigger::Schedule)], Trigger::Schedule.to_string());
        assert_eq!(TRIGGERS[of_trigger(Trigger::Manual)], Trigger::Manual.to_string());
    }

    #[test]
    fn every_reason_of_a_run_is_foreseen() {
        for fault in Fault::ALL {
            assert_eq!(OF_RUNS[of_run(fault.as_str())], fault.as_str());
        }
        for verdict in Verdict::ALL.iter().filter(|verdict| !verdict.is_publishable()) {
            assert_eq!(OF_RUNS[of_run(verdict.as_str())], verdict.as_str());
        }
        for code in ["no_progress", "state", "interrupted"] {
            assert_eq!(OF_RUNS[of_run(code)], code);
        }
        assert_eq!(OF_RUNS[of_run("never heard of")], "failed");
    }

    #[test]
    fn faults_beyond_a_list_are_odd_answers() {
        for list in [&OF_PAGES[..], &OF_TOKENS[..]] {
            for fault in Fault::ALL {
                let expected = if list.contains(&fault) { fault } else { Fault::Protocol };
                assert_eq!(list[of_fault(fault, list)], expected);
            }
        }
    }

    #[test]
    fn sinks_errors_have_words_of_their_own() {
        let kinds = [
            (SinkErrorKind::Unavailable, "unavailable"),
            (SinkErrorKind::Full, "full"),
            (SinkErrorKind::Forbidden, "forbidden"),
            (SinkErrorKind::Invalid, "invalid"),
            (SinkErrorKind::Snapshot, "snapshot"),
        ];
        for (kind, word) in kinds {
            assert_eq!(OF_SINKS[of_sink(kind)], word);
        }
        assert_eq!(OF_SINKS[of_delivery(&DeliveryError::Interrupted)], "interrupted");
    }
}
