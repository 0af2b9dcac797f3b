//! A configuration ready to run: read, checked, its sinks built, its runs planned.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use stocktake_sink::RegistryName;

use crate::clock;
use crate::config::{self, Config};
use crate::descriptors;
use crate::error_chain::chain;
use crate::metrics::Metrics;
use crate::plans::plans;
use crate::run::Plan;
use crate::schedule::Schedule;
use crate::web::WebSettings;

/// A configuration in use, or about to be.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) file: PathBuf,
    pub(super) state: PathBuf,
    /// Registries walked at once: as configured, or as descriptors allow.
    pub(super) concurrency: NonZeroUsize,
    pub(super) web: WebSettings,
    /// In the order of the files.
    pub(super) names: Vec<RegistryName>,
    pub(super) plans: BTreeMap<RegistryName, Arc<Plan>>,
    pub(super) schedules: BTreeMap<RegistryName, Schedule>,
    pub(super) notes: Vec<String>,
    pub(super) at: DateTime<Utc>,
}

impl Loaded {
    /// Reads the configuration. Blocks on the disk; opens no sink and no connection.
    ///
    /// # Errors
    /// All that is wrong with it, for people.
    pub(super) fn load(file: Option<&Path>) -> Result<Self, String> {
        let config = config::load(file).map_err(|problems| problems.to_string())?;
        let plans = plans(&config, &[]).map_err(|e| chain(&e))?;
        let Config { file, state, concurrency, web, registries, notes, .. } = config;
        let concurrency = descriptors::at_once(concurrency, &plans, true);
        let names: Vec<_> = plans.iter().map(|plan| plan.name.clone()).collect();
        let plans = plans.into_iter().map(|plan| (plan.name.clone(), Arc::new(plan))).collect();
        let schedules = registries.into_iter().filter_map(|r| Some((r.name, r.schedule?))).collect();
        let notes = notes.iter().map(|note| note.to_string().replace("\n    ", "; ")).collect();
        Ok(Self { file, state, concurrency, web, names, plans, schedules, notes, at: clock::now() })
    }

    /// Has its runs counted; series of registries and sinks that are new begin at zero.
    pub(super) fn count_in(&mut self, metrics: &Metrics) {
        for (name, plan) in &mut self.plans {
            let meter = metrics.registry(name, &plan.sink_names());
            *plan = Arc::new(Plan { meter, ..Plan::clone(plan) });
        }
    }
}
