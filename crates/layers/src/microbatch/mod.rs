//! `incremental_strategy='microbatch'`: a model that is computed batch by batch of time, each batch replacing its window
//! in the table, as in dbt.

mod progress;
mod settings;
mod templates;
mod window;

pub use progress::Progress;
pub use settings::{Settings, moment};
pub use templates::{Template, Templates};
pub use window::{BatchSize, Window};

/// The strategy's name.
pub const STRATEGY: &str = "microbatch";
