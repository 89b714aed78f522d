//! What a test does when a server cannot be had.

use std::fmt::Display;

/// The server, or `None` after a line that says why the test is skipped.
///
/// Where the environment says `CI=true`, every server must be there.
///
/// # Panics
/// With `CI=true`, when the server cannot be had.
pub fn require<T, E: Display>(server: Result<T, E>) -> Option<T> {
    match server {
        Ok(server) => Some(server),
        Err(error) if std::env::var("CI").is_ok_and(|value| value == "true") => {
            panic!("a server that the test needs cannot be had: {error}");
        }
        Err(error) => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            eprintln!("skipped {test}: {error}");
            None
        }
    }
}
