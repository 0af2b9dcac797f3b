//! What the commands of `stocktake snapshots` share.

use clap::Args;

use super::super::exit::Exit;
use crate::published::PublishedError;

/// What a command ends with.
pub(super) type CommandEnd = Result<Exit, PublishedError>;

/// Which registries are meant.
#[derive(Debug, Args)]
pub(super) struct RegistryFilter {
    /// Only this registry; may be repeated [default: all]
    #[arg(long = "registry", value_name = "NAME")]
    pub(super) registries: Vec<String>,
}
