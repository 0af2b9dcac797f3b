//! Makes the plans of runs from the checked configuration. Each sink is built once and shared.

use std::collections::BTreeMap;
use std::sync::Arc;

use stocktake_sink::{Sink, SinkError};

use crate::config::{Config, RegistryConfig};
use crate::run::{Plan, SinkWithDeadline};
use yaml_sections::nearest;

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// No registry has this name.
    #[error("no registry is named `{name}`; there are: {known}{hint}")]
    UnknownRegistry {
        /// The name asked for.
        name: String,
        /// The configured names.
        known: String,
        /// The name that was probably meant, as a sentence.
        hint: String,
    },
    /// A sink cannot be built from its settings.
    #[error("cannot set up the sink `{name}`")]
    Sink {
        /// The configured name of the sink.
        name: String,
        /// Why.
        #[source]
        source: SinkError,
    },
}

/// The plans of the named registries, in the order of the configuration. Without names, the plans of all.
///
/// # Errors
/// If a name is unknown, or a sink cannot be built.
pub fn plans(config: &Config, wanted: &[String]) -> Result<Vec<Plan>, PlanError> {
    let chosen = chosen(config, wanted)?;
    let mut sinks: BTreeMap<&str, Arc<dyn Sink>> = BTreeMap::new();
    for (name, settings) in &config.sinks {
        let sink = settings.build().map_err(|source| PlanError::Sink { name: name.clone(), source })?;
        sinks.insert(name, Arc::new(SinkWithDeadline::new(sink, settings.deadline())));
    }
    Ok(chosen.into_iter().map(|registry| plan(config, registry, &sinks)).collect())
}

/// The named registries, in the order of the configuration. Without names, all.
///
/// # Errors
/// If a name is unknown.
pub fn chosen<'c>(config: &'c Config, wanted: &[String]) -> Result<Vec<&'c RegistryConfig>, PlanError> {
    let known: Vec<&str> = config.registries.iter().map(|r| r.name.as_str()).collect();
    if let Some(name) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
        let hint = nearest(name, &known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(PlanError::UnknownRegistry { name: name.clone(), known: known.join(", "), hint });
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    Ok(config.registries.iter().filter(|r| is_wanted(r.name.as_str())).collect())
}

fn plan(config: &Config, registry: &RegistryConfig, sinks: &BTreeMap<&str, Arc<dyn Sink>>) -> Plan {
    let shared = |name: &String| Some((name.clone(), Arc::clone(sinks.get(name.as_str())?)));
    Plan {
        name: registry.name.clone(),
        registry: registry.client.clone(),
        discovery: registry.discovery.clone(),
        walk: registry.walk.clone(),
        judge: registry.judge,
        sinks: registry.sinks.iter().filter_map(shared).collect(),
        keep_undelivered: registry.keep_undelivered.get(),
        state: config.state.clone(),
        config_sha256: config.sha256.clone(),
        meter: Arc::new(()),
    }
}
