//! Schemas by id: fetched once and kept.

use std::sync::{Arc, PoisonError};

use reqwest::Method;
use tokio::sync::watch;

use super::Inner;
use super::answer::readable;
use super::request::NO_BODY;
use crate::{Result, Schema, wire};

/// An id's place in the cache. A failure leaves none, so that the next caller asks again.
#[derive(Debug)]
pub(super) enum Entry {
    Known(Arc<Schema>),
    /// Somebody is asking; the answer will come here.
    Asked(watch::Receiver<Option<Result<Arc<Schema>>>>),
}

impl Inner {
    /// The cached schema, or the channel on which it will come; the first to ask starts the fetch.
    pub(super) fn look_or_ask(self: &Arc<Self>, id: u32) -> Entry {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        match ids.get(&id) {
            Some(Entry::Known(schema)) => return Entry::Known(Arc::clone(schema)),
            // A fetch whose runtime went away leaves a channel that nobody will ever answer.
            Some(Entry::Asked(answer)) if answer.has_changed().is_ok() => {
                return Entry::Asked(answer.clone());
            }
            _ => {}
        }
        let (sender, answer) = watch::channel(None);
        ids.insert(id, Entry::Asked(answer.clone()));
        drop(ids);
        let inner = Arc::clone(self);
        // A task of its own: a caller that gives up must not take the answer from the others.
        tokio::spawn(async move {
            let outcome = inner.fetch(id).await;
            {
                let mut ids = inner.ids.lock().unwrap_or_else(PoisonError::into_inner);
                match &outcome {
                    Ok(schema) => ids.insert(id, Entry::Known(Arc::clone(schema))),
                    Err(_) => ids.remove(&id),
                };
            }
            sender.send_replace(Some(outcome));
        });
        Entry::Asked(answer)
    }

    async fn fetch(&self, id: u32) -> Result<Arc<Schema>> {
        let number = id.to_string();
        let path = ["schemas", "ids", number.as_str()];
        let what = format!("schema id {id}");
        let found: wire::SchemaById = self.call(Method::GET, &path, NO_BODY, &what).await?;
        let url = self.url_of(&path);
        readable(
            id,
            found.schema,
            found.schema_type.as_deref(),
            found.references,
            &what,
            url.as_str(),
        )
        .map(Arc::new)
    }
}
