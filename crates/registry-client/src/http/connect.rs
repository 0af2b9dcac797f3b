//! No more connections than requests in flight. A connection whose answer has been read is for a moment on its way back
//! to the pool; a request sent in that moment would open another beside it. It opens nothing itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use tokio::time::sleep;
use tower::{BoxError, Layer, Service};

/// How long a connection is waited for that may be on its way back: it takes microseconds on an idle machine. Longer,
/// and it has been closed.
const GRACE: Duration = Duration::from_millis(20);

tokio::task_local! {
    /// Set where a request is polled that has no connection yet. Once it has got one from the pool, the HTTP client
    /// goes on opening the other in a task of its own, where this is not set.
    static ASKING: ();
}

/// Marks the sending of a request.
pub(crate) async fn asking<T>(request: impl Future<Output = T>) -> T {
    ASKING.scope((), request).await
}

/// Lets so many connections be opened at once, and each further one after a pause, if it is still wanted.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    limit: usize,
    spare: Arc<AtomicUsize>,
}

impl Patience {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, spare: Arc::new(AtomicUsize::new(limit)) }
    }

    /// Notes that a connection has ended: none is on its way back for it.
    pub(crate) fn ended(&self) {
        let more = |spare| (spare < self.limit).then_some(spare + 1);
        // Full already: it was one that nobody had to wait for.
        let _ = self.spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    fn take(&self) -> bool {
        self.spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |spare| spare.checked_sub(1)).is_ok()
    }
}

impl<S> Layer<S> for Patience {
    type Service = Patient<S>;

    fn layer(&self, connect: S) -> Patient<S> {
        Patient { connect, patience: self.clone() }
    }
}

/// Opens connections with patience.
#[derive(Clone, Debug)]
pub(crate) struct Patient<S> {
    connect: S,
    patience: Patience,
}

impl<S, To> Service<To> for Patient<S>
where
    S: Service<To, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send + 'static,
    To: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connect.poll_ready(context)
    }

    fn call(&mut self, to: To) -> Self::Future {
        if self.patience.take() {
            return self.connect.call(to).boxed();
        }
        // The one that is ready goes; its clone may not be.
        let next = self.connect.clone();
        let mut connect = std::mem::replace(&mut self.connect, next);
        async move {
            sleep(GRACE).await;
            if ASKING.try_with(|()| ()).is_err() {
                return Err("the request has a connection by now".into());
            }
            connect.call(to).await
        }
        .boxed()
    }
}
