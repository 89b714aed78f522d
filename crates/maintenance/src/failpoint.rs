//! Places where tests make maintenance stop as if the process had died.

use crate::error::Result;

/// Fails where a test has armed `name`; otherwise, and in every program that is not a test, does nothing.
#[allow(
    clippy::unnecessary_wraps,
    unused_variables,
    reason = "it fails, by that name, where the crate `fail` is built with its failpoints"
)]
pub(crate) fn failpoint(name: &'static str) -> Result<()> {
    fail::fail_point!(name, |_| Err(crate::Error::Failpoint { name }));
    Ok(())
}
