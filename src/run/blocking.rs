//! Work that waits for the disk, on a thread of its own.

/// Does what waits for the disk aside: the runs of other registries go on meanwhile, on this very thread.
pub(super) async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("work on the state does not panic")
}
