//! One run from slot to report. For now only what the configuration says about judging a snapshot.

mod settings;

pub use settings::JudgeSettings;
