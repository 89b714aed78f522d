//! The HTML report: what a lake's gold tables say, as one page that needs no network.
//!
//! [`Report`] holds the numbers, [`render`] makes the page of them. The crate does no I/O and
//! knows no lake: whoever has the numbers fills a [`Report`] and writes the string to a file.
//! Every part may be empty; the page then says so instead of showing an empty chart.

mod charts;
mod date;
mod html;
mod model;
mod number;
mod page;
mod scale;
mod sections;

pub use model::{
    Check, Cohort, Day, Facts, Failure, FunnelStep, HourCell, Kpi, Ledger, Lineage, Model, Place,
    Places, Ranked, Report, Stage, Status, SubscriptionDay, TestSummary, TopicQuality, Unit,
};
pub use page::render;
