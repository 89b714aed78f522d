//! Progress for people: a bar for each stage with its rate and what is left; one line each when the
//! output is no terminal.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use goldrecord_layers::Reporter;
use goldrecord_layers::manifest::ResourceType;
use goldrecord_layers::reporter::{Event, Status};
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use crate::output::thousands;

/// How long a silence is not worth a word.
const MOMENT: Duration = Duration::from_secs(2);

/// The bars of a run.
#[derive(Debug)]
pub struct Progress {
    bars: MultiProgress,
    terminal: bool,
}

/// One stage's bar.
#[derive(Debug)]
pub struct Stage {
    name: String,
    unit: &'static str,
    bar: ProgressBar,
    started: Instant,
    terminal: bool,
}

impl Progress {
    /// Bars on stderr, or plain lines where it is no terminal.
    pub fn new() -> Self {
        Self {
            bars: MultiProgress::new(),
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        if self.terminal {
            // A terminal that is gone takes the line with it; the run goes on.
            let _ = self.bars.println(line);
        } else {
            eprintln!("{line}");
        }
    }

    /// Does `work`, and says what it waits for if it has not ended in a moment.
    pub async fn patiently<T>(&self, waits: &str, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if let Ok(done) = tokio::time::timeout(MOMENT, &mut work).await {
            return done;
        }
        self.say(&format!("  … {waits}"));
        work.await
    }

    /// Begin a stage of `total` things (0: not known).
    pub fn stage(&self, name: &str, unit: &'static str, total: u64) -> Stage {
        let bar = self.bars.add(if total > 0 {
            ProgressBar::new(total)
        } else {
            ProgressBar::new_spinner()
        });
        let template = if total > 0 {
            "  {prefix:<22} {bar:28.cyan/dim} {human_pos:>11}/{human_len:<11} {rate:>16} {eta:>4} left {wide_msg:.dim}"
        } else {
            "  {prefix:<22} {spinner} {human_pos:>11} {rate:>16} {wide_msg:.dim}"
        };
        bar.set_style(
            ProgressStyle::with_template(template)
                .expect("the template is a constant that parses")
                .with_key("rate", |state: &ProgressState, into: &mut dyn Write| {
                    // A field that cannot be written is left out of the line.
                    let _ = write!(into, "{}/s", thousands(state.per_sec() as u64));
                })
                .progress_chars("━━╌"),
        );
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Stage {
            name: name.to_owned(),
            unit,
            bar,
            started: Instant::now(),
            terminal: self.terminal,
        }
    }
}

impl Stage {
    /// So many things are done now.
    pub fn set(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// What is being worked on.
    pub fn message(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    /// The stage ended before it was done: nothing of it stays.
    pub fn give_up(self) {
        self.bar.finish_and_clear();
    }

    /// The stage ended with `done` things done: its line stays, with the rate.
    pub fn finish(self, done: u64) {
        let elapsed = self.started.elapsed();
        let line = summary(&self.name, done, self.unit, elapsed);
        if self.terminal {
            self.bar.set_style(
                ProgressStyle::with_template("  {msg}")
                    .expect("the template is a constant that parses"),
            );
            self.bar.finish_with_message(line);
        } else {
            self.bar.finish_and_clear();
            eprintln!("  {line}");
        }
    }
}

fn summary(name: &str, done: u64, unit: &str, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    let rate = if done > 1 && seconds > 0.05 {
        format!("{:>12}/s", thousands((done as f64 / seconds) as u64))
    } else {
        String::new()
    };
    format!(
        "✓ {name:<22} {:>11} {unit:<8} in {seconds:>6.1} s {rate}",
        thousands(done)
    )
}

/// Shows a build on a stage's bar, and says at once what failed.
pub struct BuildProgress<'a> {
    progress: &'a Progress,
    stage: &'a Stage,
    done: Mutex<u64>,
}

impl<'a> BuildProgress<'a> {
    /// Show a build on `stage`.
    pub fn new(progress: &'a Progress, stage: &'a Stage) -> Self {
        Self {
            progress,
            stage,
            done: Mutex::new(0),
        }
    }
}

impl Reporter for BuildProgress<'_> {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Started { nodes, .. } => self.stage.bar.set_length(*nodes as u64),
            Event::NodeStarted { node, .. } => {
                if node.resource_type != ResourceType::Test {
                    self.stage.message(&node.name);
                }
            }
            Event::NodeFinished { node, result, .. } => {
                let mut done = self
                    .done
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                *done += 1;
                self.stage.set(*done);
                if matches!(result.status, Status::Fail | Status::Error | Status::Warn) {
                    let what = result.message.as_deref().unwrap_or("failed");
                    self.progress.say(&format!("✗ {}: {what}", node.name));
                    if let Some(rows) = &result.failing_rows {
                        self.progress.say(rows);
                    }
                }
            }
            Event::Note { text } => self.progress.say(&format!("  {text}")),
        }
    }
}

/// Shows a load on a stage's bar.
pub struct LoadProgress {
    stage: Stage,
    rows: AtomicU64,
}

impl LoadProgress {
    /// Show a load on `stage`.
    pub fn new(stage: Stage) -> Self {
        Self {
            stage,
            rows: AtomicU64::new(0),
        }
    }

    /// The load is done.
    pub fn finish(self) {
        self.stage.finish(self.rows.into_inner());
    }
}

impl goldrecord_loader::Progress for LoadProgress {
    fn planned(&self, rows: u64) {
        self.stage.bar.set_length(rows);
    }

    fn sent(&self, table: &str, rows: u64, _bytes: u64) {
        self.stage
            .set(self.rows.fetch_add(rows, Ordering::Relaxed) + rows);
        self.stage.message(table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_summed_up_with_its_rate() {
        let line = summary("simulate", 1_000_000, "events", Duration::from_secs(2));
        assert!(line.contains("1,000,000 events"), "{line}");
        assert!(line.contains("500,000/s"), "{line}");
    }
}
