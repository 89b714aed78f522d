//! The Delta log: what its files hold, and how a table's state follows from them.

pub(crate) mod actions;
pub(crate) mod checkpoint;
pub(crate) mod names;
pub(crate) mod open;
pub(crate) mod replay;
pub(crate) mod schema;
