//! The interactive shell: history, completion, several lines to a query.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use datafusion::prelude::SessionContext;
use goldrecord_lake::Lake;
use goldrecord_layers::published;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config, EditMode, Editor};
use tokio::runtime::Builder;
use tokio::sync::Notify;

use super::complete::Completion;
use crate::output::{self, Format, thousands};
use crate::{Error, Result};

const HELP: &str = "\
A query ends with a semicolon and may take several lines. TAB completes, the arrow keys recall.
  \\d            the tables           \\d TABLE   its columns
  \\f FORMAT     table, csv or json   \\r         read the last published build again
  \\?            this help            \\q         leave";

/// Read queries until the operator leaves.
pub async fn run(
    lake: &Lake,
    target: &str,
    mut context: SessionContext,
    mut format: Format,
) -> Result<()> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .edit_mode(EditMode::Emacs)
        .auto_add_history(true)
        .build();
    let mut editor: Editor<Completion, DefaultHistory> =
        Editor::with_config(config).map_err(terminal)?;
    editor.set_helper(Some(Completion::of(&context).await?));
    let history = history_file();
    if let Some(history) = &history {
        // The first session has no history.
        let _ = editor.load_history(history);
    }
    output::print(&format!(
        "goldrecord {} · {} · \\? for help",
        env!("CARGO_PKG_VERSION"),
        lake.url()
    ))?;
    let interrupts = interrupts()?;
    loop {
        let line = match editor.readline("goldrecord> ") {
            Ok(line) => line,
            // Ctrl-C drops the line, as in every shell; Ctrl-D leaves.
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(terminal(error)),
        };
        match line.trim().trim_end_matches(';').trim() {
            "" => {}
            "\\q" | "quit" | "exit" => break,
            "\\?" => output::print(&HELP)?,
            "\\r" => {
                context = published::session(lake, target).await?;
                editor.set_helper(Some(Completion::of(&context).await?));
            }
            command if command == "\\f" || command.starts_with("\\f ") => match command[2..].trim()
            {
                "table" => format = Format::Table,
                "csv" => format = Format::Csv,
                "json" => format = Format::Json,
                other => eprintln!("no format `{other}`: table, csv or json"),
            },
            command if command.starts_with('\\') && !is_describe(command) => {
                eprintln!("no command `{command}`: \\? lists them");
            }
            query => {
                let sql = match query.strip_prefix("\\d") {
                    None => query.to_owned(),
                    Some("") => TABLES.to_owned(),
                    Some(table) => format!("describe {}", table.trim()),
                };
                match show(&context, &sql, format, &interrupts).await? {
                    Shown::Whole => {}
                    Shown::GivenUp => {
                        keep(&mut editor, history.as_ref());
                        return Err(start_anew());
                    }
                }
            }
        }
    }
    keep(&mut editor, history.as_ref());
    Ok(())
}

/// Whether a command is `\d` or `\d TABLE`.
fn is_describe(command: &str) -> bool {
    command == "\\d" || command.starts_with("\\d ")
}

const TABLES: &str = "select table_schema as schema, table_name as \"table\" \
    from information_schema.tables where table_schema not in ('information_schema', 'main') order by 1, 2";

/// How a query ended.
enum Shown {
    /// With its rows, or with why there are none.
    Whole,
    /// By Ctrl-C.
    GivenUp,
}

/// The same shell in a new process image. A join that computes for hours asks nobody whether to go
/// on, so nothing less than this stops it.
fn start_anew() -> Error {
    eprintln!("the query was given up");
    let again = std::env::current_exe().map(|program| {
        Command::new(program)
            .args(std::env::args_os().skip(1))
            .exec()
    });
    match again {
        Ok(error) | Err(error) => Error::Refused(format!(
            "the shell cannot start anew after the query was given up: {error}"
        )),
    }
}

/// Told of every Ctrl-C while a query runs. The thread is its own, so that it is heard when queries
/// keep every other one busy.
fn interrupts() -> Result<Arc<Notify>> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Output)?;
    let notify = Arc::new(Notify::new());
    let told = Arc::clone(&notify);
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                told.notify_waiters();
            }
        });
    });
    Ok(notify)
}

/// Answer one query; a query that fails says why and the shell goes on. Ctrl-C gives the query up.
async fn show(
    context: &SessionContext,
    query: &str,
    format: Format,
    interrupts: &Notify,
) -> Result<Shown> {
    let started = Instant::now();
    // A task of its own: a query computes for long without looking up.
    let (asked, text) = (context.clone(), query.to_owned());
    let task = tokio::spawn(async move { super::answer(&asked, &text).await });
    let answer = tokio::select! {
        answer = task => answer.map_err(|error| Error::Refused(format!("the query ended early: {error}"))).flatten(),
        () = interrupts.notified() => return Ok(Shown::GivenUp),
    };
    match answer {
        Ok(batches) => {
            let mut text = Vec::new();
            output::write_rows(&mut text, format, &batches)?;
            output::print_bytes(&text)?;
            let rows: usize = batches
                .iter()
                .map(arrow::record_batch::RecordBatch::num_rows)
                .sum();
            eprintln!(
                "{} {} in {:.2} s",
                thousands(rows as u64),
                if rows == 1 { "row" } else { "rows" },
                started.elapsed().as_secs_f64()
            );
        }
        Err(error) => eprintln!("{error}"),
    }
    Ok(Shown::Whole)
}

/// `$XDG_STATE_HOME/goldrecord/history`, or nothing where there is no home.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| {
            std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"))
        })?;
    Some(state.join("goldrecord/history"))
}

fn keep(editor: &mut Editor<Completion, DefaultHistory>, file: Option<&PathBuf>) {
    let Some(file) = file else { return };
    let saved = file
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .map_err(ReadlineError::from)
        .and_then(|()| editor.save_history(file));
    if let Err(error) = saved {
        eprintln!("the history was not kept in {}: {error}", file.display());
    }
}

fn terminal(error: ReadlineError) -> Error {
    match error {
        ReadlineError::Io(error) => Error::Output(error),
        other => Error::Refused(format!("the terminal cannot be used: {other}")),
    }
}
