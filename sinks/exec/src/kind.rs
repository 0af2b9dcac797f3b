//! The kind of this sink.

use stocktake_sink::{ConfiguredSink, LocalFault, SinkKind};

use crate::settings::{COMMAND, ExecSettings};
use crate::sink::ExecSink;

/// The kind `exec`.
pub const KIND: SinkKind = SinkKind {
    name: "exec",
    summary: "`exec`: a program loads the snapshot from Parquet files.",
    configure: |options| {
        let settings = ExecSettings::read(options)?;
        let program = settings.program.clone();
        let written = settings.written.clone();
        let look = move || {
            let fault = program.look().err()?;
            let (problem, remedy) = (fault.to_string(), fault.remedy());
            Some(LocalFault { key: COMMAND.key, thing: written.clone().into(), problem, remedy })
        };
        Ok(ConfiguredSink::new(move || Ok(ExecSink::new(settings.clone()))).with_look(look))
    },
};
