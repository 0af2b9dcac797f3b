//! A configuration that was read and checked, with its sinks built and its runs planned.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use stocktake_sink::RegistryName;

use crate::clock;
use crate::config::{self, Config};
use crate::descriptors;
use crate::metrics::Metrics;
use crate::plans::plans;
use crate::registry::chain;
use crate::run::Plan;
use crate::schedule::Schedule;
use crate::web::WebSettings;

/// A configuration that is in use or is being applied.
#[derive(Debug)]
pub(super) struct LoadedConfig {
    pub(super) file: PathBuf,
    pub(super) state: PathBuf,
    /// Runs at a time: as configured, or fewer if there are not enough file descriptors.
    pub(super) concurrency: NonZeroUsize,
    pub(super) web: WebSettings,
    /// In the order of the files.
    pub(super) names: Vec<RegistryName>,
    pub(super) plans: BTreeMap<RegistryName, Arc<Plan>>,
    pub(super) schedules: BTreeMap<RegistryName, Schedule>,
    pub(super) notes: Vec<String>,
    pub(super) at: DateTime<Utc>,
}

impl LoadedConfig {
    /// Reads the configuration. Blocks on the disk. Opens no sink and no connection.
    ///
    /// # Errors
    /// All problems of the configuration, as text.
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

    /// Adds the registries and their sinks to the metrics. New series begin at 0.
    pub(super) fn add_to(&mut self, metrics: &Metrics) {
        for (name, plan) in &mut self.plans {
            let meter = metrics.registry(name, &plan.sink_names());
            *plan = Arc::new(Plan { meter, ..Plan::clone(plan) });
        }
    }
}

/// Reads the configuration on a blocking thread.
pub(super) async fn load(file: Option<PathBuf>) -> Result<LoadedConfig, String> {
    let load = move || LoadedConfig::load(file.as_deref());
    tokio::task::spawn_blocking(load).await.unwrap_or_else(|e| Err(e.to_string()))
}
