//! Bad records as lines of JSON: enough to send them again, or to another system.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::Path;

use goldrecord_ingestor::mend::{Bad, Bytes, Quarantine};
use goldrecord_lake::Lake;

use super::line::Line;
use super::which::Which;
use crate::output::thousands;
use crate::{Error, Result};

/// Write them to a file or, for `-`, to standard output.
pub async fn run(lake: &Lake, which: &Which, output: &Path) -> Result<()> {
    if output == Path::new("-") {
        let mut out = BufWriter::new(io::stdout());
        return match write(lake, which, &mut out).await {
            // A reader that has seen enough is no failure.
            Err(Error::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written.map(|_| ()),
        };
    }
    let failed = |source| Error::File {
        path: output.to_owned(),
        source,
    };
    let file = File::create(output).map_err(failed)?;
    let mut out = BufWriter::new(file);
    let written = match write(lake, which, &mut out).await {
        Err(Error::Output(source)) => return Err(failed(source)),
        written => written?,
    };
    let file = out
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    let text = format!("{} bad records in {}", thousands(written), output.display());
    crate::output::print(&text)
}

async fn write(lake: &Lake, which: &Which, out: &mut impl Write) -> Result<u64> {
    let (mut written, mut failure) = (0, None);
    for topic in which.topics(lake).await? {
        let quarantine = Quarantine::open(lake, &topic).await?;
        let visit = |bad: &Bad<'_>| {
            let line = Line::of(&topic, bad);
            let line = serde_json::to_string(&line).expect("plain data always serialises");
            match writeln!(out, "{line}") {
                Ok(()) => {
                    written += 1;
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        quarantine.each(&which.filter(), Bytes::Read, visit).await?;
        if let Some(error) = failure {
            return Err(Error::Output(error));
        }
    }
    out.flush().map_err(Error::Output)?;
    Ok(written)
}
