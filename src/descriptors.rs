//! How many files and connections this process may have open, and so how many registries it may walk at the same time.
//! A walk without a free descriptor cannot write its rows.

use std::num::NonZeroUsize;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::run::Plan;
use crate::snapshot::{MOST_FILES, WIDE_MERGE_FILES};
use crate::web::MOST_CONNECTIONS;

/// More than a thousand registries need. It is bounded because programs that we start inherit the limit, and some of
/// them close every descriptor up to it.
const ENOUGH: u64 = 65_536;

/// What is always open: the standard streams, the runtime's own, signals, the daemon's lock and memory, files of
/// secrets and certificates that are being read, the pipes of a credential program.
const ALWAYS: u64 = 64;

/// What one walk has open beside its spool and the connections to its registry: its lock, `state.json` as it is
/// written, two tables of the last snapshot; connections to token services, and one for the page that is read ahead.
const WALK: u64 = 1 + 2 + 2 + 8;

/// A sink's lock, and each table's object as it is written, with the rows that it is read from.
const SINK: u64 = 1 + 2 * 4;

/// Raises the soft limit to the hard limit or 65,536, whichever is less. If that is not allowed, it stays as it is.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if current.is_some_and(|current| current < wanted) {
        // A sandbox may forbid it (systemd: `~@resources`); there the unit sets the limit itself.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}

/// How many of these plans may run at the same time, at most `concurrency`. Warns if descriptors allow fewer.
pub fn at_once<'a>(
    concurrency: NonZeroUsize,
    plans: impl IntoIterator<Item = &'a Plan>,
    has_listener: bool,
) -> NonZeroUsize {
    let needs: Vec<u64> = plans.into_iter().map(need).collect();
    let Some(limit) = getrlimit(Resource::Nofile).current else { return concurrency };
    let (fitting, wanted) = (fit(limit, has_listener, &needs), concurrency.get().min(needs.len()));
    let most = NonZeroUsize::new(fitting).unwrap_or(NonZeroUsize::MIN).min(concurrency);
    if fitting < wanted {
        warn!(
            "at most {most} of {wanted} registries are walked at once: this process may have {limit} files and connections \
             open, and a walk needs up to {}; raise the limit (systemd: `LimitNOFILE=`, a shell: `ulimit -n`), or lower `concurrency` of the registries",
            needs.iter().max().copied().unwrap_or_default()
        );
    }
    most
}

/// What the run of a plan may have open at once. Requests in flight each have a connection, and as many may be kept for
/// later that lead elsewhere, to a store of blobs. Sinks are served when the spool is closed.
fn need(plan: &Plan) -> u64 {
    let (connections, sinks) = (plan.registry.concurrency.get() as u64, plan.sinks.len() as u64);
    WALK + 2 * connections + MOST_FILES.max(SINK * sinks)
}

/// For how many walks a limit suffices, whichever of them they are.
fn fit(limit: u64, has_listener: bool, needs: &[u64]) -> usize {
    let mut room =
        limit.saturating_sub(ALWAYS + WIDE_MERGE_FILES + if has_listener { MOST_CONNECTIONS as u64 } else { 0 });
    let mut needs = needs.to_vec();
    needs.sort_unstable_by(|a, b| b.cmp(a));
    for (count, need) in needs.iter().enumerate() {
        let Some(rest) = room.checked_sub(*need) else { return count };
        room = rest;
    }
    // All of them.
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A registry as it is by default: 16 requests in flight, one sink.
    const USUAL: u64 = WALK + 32 + MOST_FILES;

    #[test]
    fn as_many_walks_as_descriptors_there_are_for() {
        let cases = [
            ("what systemd gives", 1024, false, vec![USUAL; 64], 10),
            ("the same with a listener", 1024, true, vec![USUAL; 64], 6),
            ("what our units give", 65_536, true, vec![USUAL; 64], usize::MAX),
            ("the greatest together", 1024, false, [vec![USUAL; 64], vec![300, 300]].concat(), 3),
            ("fewer than one needs", 20, true, vec![USUAL; 3], 0),
            ("none to walk", 1024, false, vec![], usize::MAX),
        ];
        for (case, limit, has_listener, needs, expected) in cases {
            assert_eq!(fit(limit, has_listener, &needs), expected, "{case}");
        }
    }
}
