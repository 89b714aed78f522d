//! Rows for people and for machines: a table, CSV or JSON.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use arrow::csv;
use arrow::json::ArrayWriter;
use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use clap::ValueEnum;

use crate::{Error, Result};

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A framed table for a terminal.
    #[default]
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON array of objects.
    Json,
}

/// Write `batches`, which share one schema, to `out`.
pub fn write_rows(out: &mut dyn Write, format: Format, batches: &[RecordBatch]) -> Result<()> {
    match format {
        Format::Table => {
            let table = pretty_format_batches(batches).map_err(Error::Render)?;
            writeln!(out, "{table}").map_err(Error::Output)
        }
        Format::Csv => {
            let mut writer = csv::WriterBuilder::new().with_header(true).build(out);
            batches
                .iter()
                .try_for_each(|batch| writer.write(batch))
                .map_err(Error::Render)
        }
        Format::Json => {
            let mut writer = ArrayWriter::new(&mut *out);
            batches
                .iter()
                .try_for_each(|batch| writer.write(batch))
                .and_then(|()| writer.finish())
                .map_err(Error::Render)?;
            writeln!(out).map_err(Error::Output)
        }
    }
}

/// Write `text` and a line's end to standard output. A reader that has seen enough, such as
/// `head`, is no failure.
pub fn print(text: &dyn Display) -> Result<()> {
    print_bytes(format!("{text}\n").as_bytes())
}

/// Write `bytes` to standard output, as [`print()`] does.
pub fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(()),
    }
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `bytes` in the largest unit that leaves at least one: `1.5 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped_from_the_right() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }

    #[test]
    fn sizes_use_the_largest_unit_that_fits() {
        assert_eq!(size(512), "512 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
    }
}
