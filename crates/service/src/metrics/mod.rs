//! What Prometheus scrapes.
//!
//! A metric's name, unit, labels and help are a promise to dashboards and alerts: each is declared once, where its
//! service registers it, and `docs/metrics.md` is held equal to the declarations by a test. Names are
//! `goldrecord_<service>_<name>_<unit>`, with `_total` behind where it is a counter; [`Registry`] puts them together.
//!
//! ```
//! use goldrecord_service::metrics::{Registry, Unit};
//!
//! let registry = Registry::new("loader");
//! let rows = registry.counter("sent", Unit::Of("rows"), ["table"], "Rows sent to ClickHouse.");
//! rows.add(["top_songs"], 7);
//! assert!(registry.render().contains("goldrecord_loader_sent_rows_total{table=\"top_songs\"} 7"));
//! ```

mod declaration;
mod family;
mod process;
mod registry;
mod server;

pub use declaration::{Declaration, Kind, Unit, reference};
pub use family::{Counter, Gauge, Histogram};
pub use registry::Registry;
pub use server::serve;
