//! Programs of the system: run to their end, with what they said where they fail.

use std::process::Command;

use crate::error::{Error, Result};

/// The command line, for people.
pub fn words(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs `command` and returns what it wrote.
pub fn run(command: &mut Command) -> Result<String> {
    let output = match command.output() {
        Ok(output) if output.status.success() => {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Ok(output) => format!(
            "{}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ),
        Err(error) => error.to_string(),
    };
    Err(Error::Command {
        command: words(command),
        output,
    })
}

/// Runs the words of `line`, none of which holds a space.
pub fn run_line(line: &str) -> Result<String> {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().expect("a command line has a program"));
    run(command.args(words))
}
