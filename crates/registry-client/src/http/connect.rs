//! Prevents more connections than requests in flight. After an answer has been read, its connection needs a moment to
//! return to the pool; a request that is sent in that moment would open another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use tokio::time::sleep;
use tower::{BoxError, Layer, Service};

/// How long to wait for a connection that may be returning to the pool. On an idle machine, that takes microseconds;
/// after this time, the connection has been closed.
const GRACE: Duration = Duration::from_millis(20);

tokio::task_local! {
    /// Set while a request without a connection is polled. When the request gets a connection from the pool, the HTTP
    /// client continues to open the other one in a separate task, in which this is not set.
    static ASKING: ();
}

/// Marks a future that sends a request.
pub(crate) async fn asking<T>(request: impl Future<Output = T>) -> T {
    ASKING.scope((), request).await
}

/// Allows so many connections at once, and each further one after a pause if it is still wanted.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionLimit {
    limit: usize,
    spare: Arc<AtomicUsize>,
}

impl ConnectionLimit {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, spare: Arc::new(AtomicUsize::new(limit)) }
    }

    /// Notes that a connection has ended, and will not return to the pool.
    pub(crate) fn ended(&self) {
        let more = |spare| (spare < self.limit).then_some(spare + 1);
        // If `spare` is full, the connection was opened after a pause and not counted.
        let _ = self.spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    fn take(&self) -> bool {
        self.spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |spare| spare.checked_sub(1)).is_ok()
    }
}

impl<S> Layer<S> for ConnectionLimit {
    type Service = LimitedConnector<S>;

    fn layer(&self, connect: S) -> LimitedConnector<S> {
        LimitedConnector { connect, limit: self.clone() }
    }
}

/// Opens connections as its [`ConnectionLimit`] allows.
#[derive(Clone, Debug)]
pub(crate) struct LimitedConnector<S> {
    connect: S,
    limit: ConnectionLimit,
}

impl<S, To> Service<To> for LimitedConnector<S>
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
        if self.limit.take() {
            return self.connect.call(to).boxed();
        }
        // The service that is ready is used; its clone may not be ready.
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
