//! Why the state cannot be used.

use std::io;
use std::path::PathBuf;

/// The state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another run of this registry is in progress.
    #[error("another run of this registry is in progress (process {pid})")]
    Locked {
        /// The process that holds the lock, as it wrote itself down.
        pid: String,
    },
    /// The state belongs to the daemon's user of `DynamicUser=`, which could not read files that root writes there.
    #[error("{} belongs to user {uid}, which systemd created for the daemon (`DynamicUser=`) and which cannot read files of root", path.display())]
    DynamicUser {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// A file or directory cannot be read or written.
    #[error("cannot use the state directory {}", path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `state.json` is not a state file.
    #[error("{} is not a state file of stocktake; move it away to start without state", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}
