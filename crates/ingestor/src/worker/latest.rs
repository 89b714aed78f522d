//! The question for a topic's latest schema, asked now and then while records flow.

use std::time::{Duration, Instant};

use goldrecord_registry::{Client, Error, Schema};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::schemas::registered;

/// The first pause while a topic waits for a schema; each is twice the last, up to the refresh interval.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Asks for the latest schema of a topic's subject.
pub(super) struct Latest {
    /// `None`: records alone tell their schemas.
    pub(super) subject: Option<String>,
    every: Duration,
    pause: Duration,
    next: Instant,
    asked: Option<JoinHandle<Result<Option<Schema>, Error>>>,
}

impl Latest {
    pub(super) fn new(subject: Option<String>, every: Duration) -> Self {
        Self {
            subject,
            every,
            pause: every,
            next: Instant::now() + every,
            asked: None,
        }
    }

    /// The topic waits for the answer: asks soon.
    pub(super) fn soon(&mut self) {
        self.pause = FIRST_PAUSE.min(self.every);
        self.next = Instant::now() + self.pause;
    }

    /// The topic is read: asks each interval.
    pub(super) fn seldom(&mut self) {
        self.pause = self.every;
        self.next = Instant::now() + self.every;
    }

    /// The answer, if one has come. Asks when it is time; never waits.
    pub(super) fn poll(
        &mut self,
        runtime: &Handle,
        registry: &Client,
    ) -> Option<Result<Option<Schema>, Error>> {
        if let Some(asked) = self.asked.take_if(|asked| asked.is_finished()) {
            // A task that panicked or whose runtime ends has no answer.
            return runtime.block_on(asked).ok();
        }
        if self.asked.is_none() && Instant::now() >= self.next {
            self.pause = (self.pause * 2).min(self.every);
            self.next = Instant::now() + self.pause;
            let (registry, subject) = (registry.clone(), self.subject.clone());
            let question = async move { registered(&registry, subject.as_deref()).await };
            self.asked = Some(runtime.spawn(question));
        }
        None
    }
}
