//! What templates tell the user: `log`, `print` and `exceptions`.

use std::sync::Arc;

use minijinja::value::{Kwargs, Object, Value, from_args};
use minijinja::{Error, State};

use super::frame;
use crate::diagnostics::Diagnostic;
use crate::jinja::calls::{diagnosed, only, unknown_method};
use crate::jinja::python_str;

/// `log(message, info=false)`.
pub(super) fn log(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let (message, info, kwargs): (Value, Option<bool>, Kwargs) = from_args(args)?;
    let info = info
        .or(kwargs.get::<Option<bool>>("info")?)
        .unwrap_or(false);
    if info && frame(state)?.graph.is_some() {
        tracing::info!("{}", python_str(&message));
    } else {
        tracing::debug!("{}", python_str(&message));
    }
    Ok(Value::from(""))
}

/// `print(message)`.
pub(super) fn print(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let message: Value = only(args)?;
    if frame(state)?.graph.is_some() {
        tracing::info!("{}", python_str(&message));
    }
    Ok(Value::from(""))
}

/// `exceptions.raise_compiler_error` and `exceptions.warn`.
#[derive(Debug)]
pub struct Exceptions;

impl Object for Exceptions {
    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let message: Value = only(&args[..args.len().min(1)])?;
        match method {
            "warn" => {
                tracing::warn!("{}", python_str(&message));
                Ok(Value::from(""))
            }
            method if method.starts_with("raise_") => {
                Err(diagnosed(Diagnostic::new(python_str(&message))))
            }
            _ => Err(unknown_method()),
        }
    }
}
