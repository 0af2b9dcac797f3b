//! Why a run is not complete: a code for machines, a message and a remedy for people.

use std::error::Error;
use std::io;

use stocktake_sink::{RunError, Verdict};

use crate::registry::chain;
use crate::registry::{Fault, RegistryError};
use crate::state::{Refusals, StateError};
use crate::walk::WalkError;

/// Why a run is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// One of a fixed list of codes: a registry's [`Fault`], a [`Verdict`], `no_progress`, `state`, `locked` or
    /// `served`.
    pub code: &'static str,
    /// What happened, and where.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
    /// Whether a credential was rejected, or lacks a permission.
    pub is_authentication: bool,
}

impl Cause {
    pub(super) fn of_registry(error: &RegistryError) -> Self {
        let fault = error.fault();
        Self {
            code: fault.as_str(),
            message: chain(error),
            remedy: Some(error.remedy()),
            is_authentication: fault.is_authentication(),
        }
    }

    pub(super) fn of_walk(error: &WalkError) -> Self {
        match error {
            WalkError::Registry(e) => Self::of_registry(e),
            WalkError::Spool(e) => Self::of_disk(e),
            WalkError::NoProgress { .. } | WalkError::Astray => {
                Self::plain("no_progress", error, "run it again; if it stays so, tell the registry's vendor")
            }
        }
    }

    /// Of whatever the state directory's disk refused.
    pub(super) fn of_disk(error: &(dyn Error + 'static)) -> Self {
        // EMFILE and ENFILE have no kind of their own, and what wraps them does not always show them as its source.
        let is_short = ["os error 24)", "os error 23)"].iter().any(|errno| chain(error).contains(errno));
        let remedy = if is_short {
            "raise the limit of open files (systemd: `LimitNOFILE=`, a shell: `ulimit -n`), or lower `concurrency`"
        } else {
            "look at the state directory's disk: is it full, read-only, or owned by another user?"
        };
        Self::plain("state", error, remedy)
    }

    pub(super) fn of_scratch(error: &io::Error) -> Self {
        let cause = Self::plain("state", error, "make room in the directory for temporary files ($TMPDIR)");
        Self { message: format!("cannot make a temporary directory: {}", cause.message), ..cause }
    }

    pub(super) fn of_state(error: &StateError) -> Self {
        match error {
            StateError::Locked { .. } => Self::plain("locked", error, "wait for it to end"),
            StateError::DynamicUser { .. } => Self::plain(
                "state_of_daemon",
                error,
                "ask the daemon for the run: `systemctl kill --signal=USR1 --kill-whom=main stocktake-daemon`; or for one \
                 that accepts a loss: `POST /api/v1/registries/NAME/run?accept_shrink=true`",
            ),
            StateError::Damaged { .. } | StateError::Disk { .. } => Self::of_disk(error),
        }
    }

    pub(super) fn of_served_slot() -> Self {
        let message = "the run of this slot has ended before".to_owned();
        Self { code: "served", message, remedy: None, is_authentication: false }
    }

    pub(super) fn of_refusals(refusals: &Refusals) -> Self {
        let Refusals { count, at, reason, times, .. } = refusals;
        let at = at.format("%Y-%m-%d %H:%M:%SZ");
        let (how_often, remedy) = if refusals.is_of_one_secret() {
            let remedy = "correct the secret, which is noticed at the next slot, or try it now with `stocktake run`";
            (format!("{count} times in a row"), remedy)
        } else {
            let remedy =
                "correct the secret, which is sent once an hour has passed, or try it now with `stocktake run`";
            (format!("{} times within an hour, with changing secrets", times.len()), remedy)
        };
        let message = format!("its credentials were refused {how_often}, last at {at}: {}", reason.message);
        let remedy = Some(remedy.to_owned());
        Self { code: Fault::CredentialsRejected.as_str(), message, remedy, is_authentication: true }
    }

    pub(super) fn of_judgement(verdict: Verdict, message: String, remedy: Option<String>) -> Self {
        let is_authentication = verdict == Verdict::Denied;
        Self { code: verdict.as_str(), message, remedy, is_authentication }
    }

    fn plain(code: &'static str, error: &(dyn Error + 'static), remedy: &str) -> Self {
        Self { code, message: chain(error), remedy: Some(remedy.to_owned()), is_authentication: false }
    }

    pub(super) fn to_run_error(&self) -> RunError {
        RunError::of_run(self.code, self.message.clone())
    }
}
