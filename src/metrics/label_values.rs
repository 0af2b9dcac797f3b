//! The closed lists of label values, and the position in them of a status code, a fault or an error.

use stocktake_sink::{ChangeOp, SinkErrorKind, Trigger};

use crate::registry::Endpoint;
use crate::registry::Fault;
use crate::registry::Loss;
use crate::registry::SafetyRule;
use crate::run::DeliveryError;

/// The label values of all variants of an enum, in the order of the variants.
macro_rules! labels_of {
    ($all:expr) => {{
        let all = $all;
        let mut labels = [""; $all.len()];
        let mut at = 0;
        while at < all.len() {
            labels[at] = all[at].as_str();
            at += 1;
        }
        labels
    }};
}

/// Values of `endpoint`.
pub(super) const ENDPOINTS: [&str; Endpoint::ALL.len()] = labels_of!(Endpoint::ALL);

/// Values of `reason` for requests without a whole response.
pub(super) const LOSSES: [&str; Loss::ALL.len()] = labels_of!(Loss::ALL);

/// Values of `reason` for responses that a safety rule refused.
pub(super) const RULES: [&str; SafetyRule::ALL.len()] = labels_of!(SafetyRule::ALL);

/// Values of `code`: a status code if operators act on it, else its class.
pub(super) const CODES: [&str; 8] = ["2xx", "3xx", "401", "403", "404", "429", "4xx", "5xx"];

/// The position of 429 in [`CODES`].
pub(super) const LIMITED: usize = 5;

/// The position of a status code in [`CODES`].
pub(super) fn code_position(status: u16) -> usize {
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

/// Values of `op`.
pub(super) const CHANGE_OPS: [&str; ChangeOp::ALL.len()] = labels_of!(ChangeOp::ALL);

/// Faults for which the client gives up on a page.
pub(super) const PAGE_FAULTS: [Fault; 11] = [
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

/// Values of `reason` for pages.
pub(super) const PAGE_REASONS: [&str; PAGE_FAULTS.len()] = labels_of!(PAGE_FAULTS);

/// Faults for which the client gives up on a token.
pub(super) const TOKEN_FAULTS: [Fault; 9] = [
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

/// Values of `reason` for tokens.
pub(super) const TOKEN_REASONS: [&str; TOKEN_FAULTS.len()] = labels_of!(TOKEN_FAULTS);

/// The position of a fault in a list of faults; the position of [`Fault::Protocol`] if the list does not have it.
pub(super) fn fault_position(fault: Fault, list: &[Fault]) -> usize {
    let at = |wanted| list.iter().position(|fault| *fault == wanted);
    at(fault).or_else(|| at(Fault::Protocol)).unwrap_or_default()
}

/// Reasons of runs that are not a [`Fault`].
const OTHER_RUN_REASONS: [&str; 6] = ["failed", "suspicious", "partial", "no_progress", "state", "interrupted"];

/// Values of `reason` for runs that published nothing.
pub(super) const RUN_REASONS: [&str; Fault::ALL.len() + OTHER_RUN_REASONS.len()] = {
    let faults = labels_of!(Fault::ALL);
    let mut reasons = [""; Fault::ALL.len() + OTHER_RUN_REASONS.len()];
    let mut at = 0;
    while at < reasons.len() {
        reasons[at] = if at < faults.len() { faults[at] } else { OTHER_RUN_REASONS[at - faults.len()] };
        at += 1;
    }
    reasons
};

/// The position of a reason in [`RUN_REASONS`]; the position of `failed` if the list does not have it.
pub(super) fn run_reason_position(code: &str) -> usize {
    RUN_REASONS.iter().position(|reason| *reason == code).unwrap_or(Fault::ALL.len())
}

/// Values of `trigger`.
pub(super) const TRIGGERS: [&str; 2] = ["schedule", "manual"];

/// The position of a trigger in [`TRIGGERS`].
pub(super) fn trigger_position(trigger: Trigger) -> usize {
    match trigger {
        Trigger::Schedule => 0,
        Trigger::Manual => 1,
    }
}

/// Values of `status`: the outcomes of a run, from good to bad.
pub(super) const OUTCOMES: [&str; 3] = ["success", "partial", "failed"];

/// Values of `phase`.
pub(super) const PHASES: [&str; 2] = ["walk", "publish"];

/// Values of `reason` for attempts to publish that failed.
pub(super) const SINK_REASONS: [&str; 7] =
    ["unavailable", "full", "forbidden", "invalid", "snapshot", "interrupted", "overdue"];

/// The position in [`SINK_REASONS`] of the failure after which stocktake tries again.
pub(super) const RETRIED: usize = 0;

/// The position of an error in [`SINK_REASONS`].
pub(super) fn delivery_position(error: &DeliveryError) -> usize {
    match error {
        DeliveryError::Sink(error) => sink_position(error.kind()),
        DeliveryError::Interrupted => 5,
    }
}

fn sink_position(kind: SinkErrorKind) -> usize {
    match kind {
        SinkErrorKind::Unavailable => RETRIED,
        SinkErrorKind::Full => 1,
        SinkErrorKind::Forbidden => 2,
        SinkErrorKind::Invalid => 3,
        SinkErrorKind::Snapshot => 4,
        SinkErrorKind::Overdue => 6,
    }
}

/// Values of `level`.
pub(super) const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Values of `reason` for scheduled runs that were not started.
pub(super) const SKIP_REASONS: [&str; SkipReason::ALL.len()] = labels_of!(SkipReason::ALL);

/// Why a scheduled run was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// A run of this registry was in progress, in this process or in another.
    Overlap,
    /// The daemon was not running, for longer than `catch_up`.
    Missed,
    /// The credentials were refused so often that stocktake does not send them again.
    Suspended,
}

impl SkipReason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Overlap, Self::Missed, Self::Suspended];

    /// The label value: `overlap`.
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

    #[test]
    fn every_status_code_has_a_label() {
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
            assert_eq!(CODES[code_position(status)], word, "{status}");
        }
        assert_eq!(CODES[LIMITED], "429");
    }

    #[test]
    fn positions_are_the_numbers_of_the_variants() {
        assert!(Endpoint::ALL.iter().enumerate().all(|(at, endpoint)| *endpoint as usize == at));
        assert!(Loss::ALL.iter().enumerate().all(|(at, loss)| *loss as usize == at));
        assert!(SafetyRule::ALL.iter().enumerate().all(|(at, rule)| *rule as usize == at));
        assert!(SkipReason::ALL.iter().enumerate().all(|(at, skip)| *skip as usize == at));
        assert_eq!(TRIGGERS[trigger_position(Trigger::Schedule)], Trigger::Schedule.to_string());
        assert_eq!(TRIGGERS[trigger_position(Trigger::Manual)], Trigger::Manual.to_string());
    }

    #[test]
    fn every_reason_of_a_run_has_a_label() {
        for fault in Fault::ALL {
            assert_eq!(RUN_REASONS[run_reason_position(fault.as_str())], fault.as_str());
        }
        for verdict in Verdict::ALL.iter().filter(|verdict| !verdict.is_publishable()) {
            assert_eq!(RUN_REASONS[run_reason_position(verdict.as_str())], verdict.as_str());
        }
        for code in ["no_progress", "state", "interrupted"] {
            assert_eq!(RUN_REASONS[run_reason_position(code)], code);
        }
        assert_eq!(RUN_REASONS[run_reason_position("never heard of")], "failed");
    }

    #[test]
    fn a_fault_that_a_list_does_not_have_is_a_protocol_fault() {
        for list in [&PAGE_FAULTS[..], &TOKEN_FAULTS[..]] {
            for fault in Fault::ALL {
                let expected = if list.contains(&fault) { fault } else { Fault::Protocol };
                assert_eq!(list[fault_position(fault, list)], expected);
            }
        }
    }

    #[test]
    fn every_error_of_a_sink_has_a_label() {
        let kinds = [
            (SinkErrorKind::Unavailable, "unavailable"),
            (SinkErrorKind::Full, "full"),
            (SinkErrorKind::Forbidden, "forbidden"),
            (SinkErrorKind::Invalid, "invalid"),
            (SinkErrorKind::Snapshot, "snapshot"),
            (SinkErrorKind::Overdue, "overdue"),
        ];
        for (kind, word) in kinds {
            assert_eq!(SINK_REASONS[sink_position(kind)], word);
        }
        assert_eq!(SINK_REASONS[delivery_position(&DeliveryError::Interrupted)], "interrupted");
    }

    /// The `prometheus` crate finds a series by a hash of its label values without separators.
    #[test]
    fn label_values_after_the_name_of_a_sink_identify_a_series() {
        for reason in SINK_REASONS {
            let others = SINK_REASONS.iter().filter(|other| **other != reason);
            assert_eq!(others.filter(|other| other.ends_with(reason)).count(), 0, "{reason}");
        }
    }
}
