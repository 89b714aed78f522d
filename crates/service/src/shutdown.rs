//! One request to stop, seen by every thread and task of a process.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{Error, Result};

/// A request to stop that is made once and seen everywhere.
///
/// Clones are cheap and share the request. Threads poll [`Shutdown::is_requested`]; tasks await
/// [`Shutdown::requested`].
#[derive(Clone, Debug)]
pub struct Shutdown {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A shutdown that nobody has requested yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sender: Arc::new(watch::Sender::new(false)),
        }
    }

    /// A shutdown that SIGTERM or SIGINT requests. A second signal ends the process at once, with
    /// the shell's exit code for it, so that an operator is never held hostage by a slow server.
    ///
    /// Must be called inside a tokio runtime.
    pub fn on_signals() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let shutdown = Self::new();
        let mut term = signal(SignalKind::terminate()).map_err(Error::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
        let requested = shutdown.clone();
        tokio::spawn(async move {
            loop {
                let code = tokio::select! {
                    _ = term.recv() => 143,
                    _ = interrupt.recv() => 130,
                };
                if requested.is_requested() {
                    std::process::exit(code);
                }
                tracing::info!("stopping; a second signal stops at once");
                requested.request();
            }
        });
        Ok(shutdown)
    }

    /// Ask everyone to stop. Asking twice is the same as once.
    pub fn request(&self) {
        self.sender.send_replace(true);
    }

    /// Whether anyone has asked.
    pub fn is_requested(&self) -> bool {
        *self.sender.borrow()
    }

    /// Completes once anyone has asked.
    pub async fn requested(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender lives in `self`, so the wait cannot fail.
        let _ = receiver.wait_for(|requested| *requested).await;
    }

    /// What `work` comes to, or `None` once anyone has asked: it is then dropped where it waits.
    pub async fn unless_requested<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.requested() => None,
            done = work => Some(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_seen_by_every_clone() {
        let shutdown = Shutdown::new();
        let clone = shutdown.clone();
        assert!(!clone.is_requested());
        assert_eq!(clone.unless_requested(async { 7 }).await, Some(7));
        shutdown.request();
        assert_eq!(clone.unless_requested(async { 7 }).await, None);
        clone.requested().await;
        assert!(clone.is_requested());
    }
}
