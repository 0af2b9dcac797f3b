//! Work that waits for the disk, on a thread of its own.

/// Runs work that waits for the disk on another thread, so that runs of other registries go on.
pub(super) async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("work on the state does not panic")
}
