//! What systemd is told: ready, status, stopping, and that a loop has turned.
//!
//! Outside systemd (no `NOTIFY_SOCKET`) every call does nothing.

use sd_notify::NotifyState;

/// The service can do its work now.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// One line for `systemctl status`, such as the lag and the last commit.
pub fn status(line: &str) {
    send(&[NotifyState::Status(line)]);
}

/// A loop that must not hang finished one turn; idle and waiting turns count too.
pub fn turned() {
    send(&[NotifyState::Watchdog]);
}

/// The service flushes and leaves.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

fn send(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not notified");
    }
}
