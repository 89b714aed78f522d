//! `ref` and `source`.

use minijinja::value::{Kwargs, Value, from_args};
use minijinja::{Error, State};

use super::{Frame, Ref, RelationValue, Target, frame};
use crate::diagnostics::Diagnostic;
use crate::jinja::calls::{diagnosed, failure};
use crate::manifest::Relation;

/// `ref('model')` and `ref('package', 'model')`.
pub(super) fn reference(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let (args, kwargs): (&[Value], Kwargs) = from_args(args)?;
    let text = |value: &Value| {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| failure("ref() takes names in quotes"))
    };
    let reference = match args {
        [name] => Ref {
            package: None,
            name: text(name)?,
        },
        [package, name] => Ref {
            package: Some(text(package)?),
            name: text(name)?,
        },
        _ => {
            return Err(failure(format!(
                "ref() takes one or two names, not {}",
                args.len()
            )));
        }
    };
    if kwargs.has("version") || kwargs.has("v") {
        return Err(failure("ref(): versions of models are not supported"));
    }
    let frame = frame(state)?;
    frame.captured().refs.push(reference.clone());
    let Some(graph) = &frame.graph else {
        return Ok(Value::from_object(RelationValue::Table(Relation::new(
            "",
            reference.name,
        ))));
    };
    let target = graph
        .resolve(&reference, &frame.package)
        .map_err(diagnosed)?;
    known(&frame, target, &format!("ref('{}')", reference.name))?;
    if let RelationValue::Cte(_) = target.relation {
        frame.captured().ephemeral.push(target.unique_id.clone());
    }
    Ok(seen(&frame, target))
}

/// `source('source', 'table')`.
pub(super) fn source(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let (source, table): (&str, &str) = from_args(args)
        .map_err(|_| failure("source() takes two names in quotes: the source and its table"))?;
    let frame = frame(state)?;
    frame
        .captured()
        .sources
        .push((source.to_owned(), table.to_owned()));
    let Some(graph) = &frame.graph else {
        return Ok(Value::from_object(RelationValue::Table(Relation::new(
            source, table,
        ))));
    };
    let target = graph
        .resolve_source(source, table, &frame.package)
        .map_err(diagnosed)?;
    known(&frame, target, &format!("source('{source}', '{table}')"))?;
    Ok(seen(&frame, target))
}

/// A relation as the frame sees it: in a batch, the batch's rows of what tells its rows' time.
fn seen(frame: &Frame, target: &Target) -> Value {
    let relation = target.relation.clone();
    Value::from_object(match (&frame.window, &target.event_time) {
        (Some(window), Some(column)) => {
            RelationValue::Windowed(Box::new(relation), window.condition(column))
        }
        _ => relation,
    })
}

/// A reference that shows only once `execute` is true would be missing from the graph.
fn known(frame: &Frame, target: &Target, call: &str) -> Result<(), Error> {
    if frame.depends_on.contains(&target.unique_id) || frame.unique_id == target.unique_id {
        return Ok(());
    }
    Err(diagnosed(
        Diagnostic::new(format!(
            "{call} is only reached while the SQL is compiled, so the graph misses it"
        ))
        .help(format!(
            "add a comment to the file: -- depends_on: {{{{ {call} }}}}"
        )),
    ))
}
