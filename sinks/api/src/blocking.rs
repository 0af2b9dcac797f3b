//! Work that waits for a disk or a reader, for sinks that do such: on a thread where it holds up nobody, and told when
//! nobody waits for it any more.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::spawn_blocking;

use crate::{SinkError, SinkErrorKind};

/// Whether the future that wanted the result has been dropped: then work should end soon and show nothing.
#[derive(Clone, Debug, Default)]
pub struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    /// Whether it has. Once true, it stays so.
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

/// Does `work` on a thread of its own. What it holds, such as a lock, it holds until it ends, also when it is abandoned.
///
/// # Errors
/// That of `work`; [`SinkErrorKind::Unavailable`] if the runtime shuts down before it began.
///
/// # Panics
/// If `work` does.
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
