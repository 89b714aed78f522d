//! The page as a whole: what a browser, a screen reader and a hostile song title make of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../examples/made_up/data.rs"]
mod data;
mod page;
mod well_formed;
