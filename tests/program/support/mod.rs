//! Servers and content for the tests. They end with the test that started them and leave nothing behind.

pub(crate) mod bucket;
pub(crate) mod clock;
pub(crate) mod crash_point;
pub(crate) mod daemon;
pub(crate) mod docker_registry;
pub(crate) mod fail_point;
pub(crate) mod faulty_proxy;
pub(crate) mod held;
pub(crate) mod inventory;
pub(crate) mod nights;
pub(crate) mod preload;
pub(crate) mod program;
pub(crate) mod prometheus;
pub(crate) mod pulp;
pub(crate) mod push;
pub(crate) mod raw;
mod seed;
pub(crate) mod site;
pub(crate) mod small_disk;
pub(crate) mod stage;
pub(crate) mod stranger;
mod token_server;

use std::path::{Path, PathBuf};
use std::sync::Once;

/// A plain client: the support is checked with it, never with the one under test.
pub(crate) fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // The code under test may have installed it first.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// The interpreter with what `tests/readers.txt` names, which `tests/run.sh` made.
pub(crate) fn python() -> PathBuf {
    let target = || {
        std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from)
    };
    let python = std::env::var_os("STOCKTAKE_TEST_PYTHON");
    let python = python.map_or_else(|| target().join("readers/bin/python"), PathBuf::from);
    assert!(python.exists(), "there is no {}: tests/run.sh installs the readers and runs the tests", python.display());
    python
}
