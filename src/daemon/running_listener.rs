//! The listener in its task, and how it changes to other settings.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::backend::DaemonBackend;
use crate::web::{Listener, ListenerHandle, WebBackend, WebError, WebSettings};

/// A listener that serves in a task of its own.
pub(super) struct RunningListener {
    settings: WebSettings,
    handle: ListenerHandle,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl RunningListener {
    pub(super) async fn start(settings: &WebSettings, backend: &Arc<DaemonBackend>) -> Result<Self, WebError> {
        let listener = Listener::bind(settings).await?;
        let (address, handle, stop) = (listener.local_addr(), listener.handle(), CancellationToken::new());
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        info!(%address, "listening on {scheme}://{address}");
        let backend: Arc<dyn WebBackend> = Arc::clone(backend) as _;
        let task = tokio::spawn(listener.serve(backend, stop.clone()));
        Ok(Self { settings: settings.clone(), handle, stop, task })
    }

    /// Applies other settings. After an error the listener continues with its former settings.
    pub(super) async fn change(
        &mut self,
        settings: &WebSettings,
        backend: &Arc<DaemonBackend>,
    ) -> Result<(), WebError> {
        if settings.listen == self.settings.listen {
            self.handle.replace(settings)?;
            self.settings = settings.clone();
        } else {
            let before = std::mem::replace(self, Self::start(settings, backend).await?);
            // The former listener still sends its open responses.
            before.stop.cancel();
        }
        Ok(())
    }

    /// Lets the listener end as soon as its open responses are sent.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Stops the listener and waits until it has ended.
    pub(super) async fn close(self) {
        self.stop();
        if let Err(e) = self.task.await {
            warn!("the listener failed because of a bug in stocktake: {e}; please report it");
        }
    }
}
