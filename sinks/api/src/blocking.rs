//! Runs blocking work of sinks on its own thread, and tells it when its caller was dropped.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::spawn_blocking;

use crate::{SinkError, SinkErrorKind};

/// Whether the future that waits for the result was dropped. Then the work should end soon and publish nothing.
#[derive(Clone, Debug, Default)]
pub struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    /// True once the future was dropped.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

struct AbandonOnDrop(Abandoned);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::SeqCst);
    }
}

/// Runs `work` on its own thread. A lock that `work` holds is held until `work` ends, even if the future was dropped.
///
/// # Errors
/// The error of `work`; [`SinkErrorKind::Unavailable`] if the runtime shuts down before `work` starts.
///
/// # Panics
/// If `work` panics.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&Abandoned) -> Result<T, SinkError> + Send + 'static,
) -> Result<T, SinkError> {
    let abandoned = Abandoned::default();
    let _abandon = AbandonOnDrop(abandoned.clone());
    match spawn_blocking(move || work(&abandoned)).await {
        Ok(result) => result,
        Err(e) => match e.try_into_panic() {
            Ok(cause) => resume_unwind(cause),
            Err(e) => Err(SinkError::new(SinkErrorKind::Unavailable, "the runtime shuts down").with_source(e)),
        },
    }
}
