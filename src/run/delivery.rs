//! When a run delivers: what sinks lack before the walk, and the new snapshot after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use stocktake_sink::{Sink, Snapshot};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Run, SinkOutcome, catch_up, deliver, outcome};
use crate::registry::chain;
use crate::state::RegistryState;

impl Run<'_> {
    /// Delivers what sinks do not have, because a run was killed or they failed. Sinks are idempotent.
    pub(super) async fn redeliver(
        &self,
        mut state: RegistryState,
        stop: &CancellationToken,
    ) -> (RegistryState, Vec<SinkOutcome>) {
        let registry = &self.context.plan.name;
        let names = self.keeper_names();
        let forgotten = state.forget_other_sinks(&names);
        catch_up::log_forgotten(registry, &forgotten);
        for (name, owed) in names.iter().map(|name| (name, state.owed_runs(name))).filter(|(_, owed)| !owed.is_empty())
        {
            let runs = deliver::nights(&owed);
            info!(%registry, sink = %name, "{name} does not have {runs}; the oldest is delivered first");
        }
        let (mut state, outcomes, lost) = catch_up::catch_up(state, &self.keepers(), stop).await;
        if outcomes.is_empty() && forgotten.is_empty() {
            return (state, outcomes);
        }
        catch_up::log_given_up(&lost, "its rows cannot be read any more");
        for outcome in outcomes.iter().filter(|o| o.result.is_err()) {
            let (run_id, sink) = (&outcome.run_id, &outcome.sink);
            warn!(%registry, %run_id, %sink, "{run_id} is still not delivered: {outcome}");
        }
        let mut history = state.history().clone();
        outcome::note_sinks(&mut history, &outcomes, self.context.now());
        outcome::note_owed(&mut history, &state, &names);
        if let Err(e) = state.ended(history) {
            warn!(%registry, "receipts cannot be stored: {}", chain(&e));
        }
        (state, outcomes)
    }

    /// The names of the sinks that keep what they get.
    pub(super) fn keeper_names(&self) -> Vec<String> {
        self.keepers().into_iter().map(|(name, _)| name).collect()
    }

    /// The sinks that keep what they get.
    fn keepers(&self) -> Vec<(String, Arc<dyn Sink>)> {
        self.context.plan.sinks.iter().filter(|(_, sink)| sink.keeps()).cloned().collect()
    }

    /// Delivers what a run has sealed to all sinks, after what they did not have before. Of each sink there is one
    /// outcome: that of the new snapshot, or of the older one that it did not take. Older ones that it took are added to
    /// `redelivered`.
    pub(super) async fn deliver(
        &self,
        state: RegistryState,
        snapshot: &Snapshot,
        redelivered: &mut Vec<SinkOutcome>,
        stop: &CancellationToken,
    ) -> (RegistryState, Vec<SinkOutcome>) {
        let sinks = &self.context.plan.sinks;
        if !snapshot.record().verdict.is_publishable() {
            return (state, deliver::to_all(sinks, snapshot, stop).await);
        }
        let run_id = snapshot.id().run_id();
        let was_overdue = |name: &str| redelivered.iter().any(|outcome| outcome.sink == name && outcome.is_overdue());
        let (late, keepers): (Vec<_>, Vec<_>) = self.keepers().into_iter().partition(|(name, _)| was_overdue(name));
        let streams: Vec<_> = sinks.iter().filter(|(_, sink)| !sink.keeps()).cloned().collect();
        let (streamed, (state, caught_up, lost)) =
            tokio::join!(deliver::to_all(&streams, snapshot, stop), catch_up::catch_up(state, &keepers, stop));
        catch_up::log_given_up(&lost, "its rows cannot be read any more");
        let late = late.iter().map(|(name, _)| catch_up::overdue(name, run_id.clone(), &state));
        let mut newest: BTreeMap<String, SinkOutcome> = BTreeMap::new();
        for outcome in streamed.into_iter().chain(caught_up).chain(late) {
            redelivered.extend(newest.insert(outcome.sink.clone(), outcome));
        }
        let in_order = sinks.iter().filter_map(|(name, _)| newest.remove(name)).collect();
        (state, in_order)
    }
}
