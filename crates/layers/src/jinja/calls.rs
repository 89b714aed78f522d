//! Calls from templates: their arguments, and the errors that answer them.

use std::borrow::Cow;

use minijinja::value::{ArgType, Kwargs, Value, from_args};
use minijinja::{Error, ErrorKind};

use crate::diagnostics::Diagnostic;

/// The only argument.
pub fn only<'a, T: ArgType<'a, Output = T>>(args: &'a [Value]) -> Result<T, Error> {
    from_args(args).map(|(value,)| value)
}

/// The first argument, and what the call answers where there is no value for it: the second one,
/// or the one named `default`.
pub fn with_default<'a, T>(args: &'a [Value]) -> Result<(T, Option<Value>), Error>
where
    T: ArgType<'a, Output = T>,
{
    let (first, default, named): (T, Option<Value>, Kwargs) = from_args(args)?;
    Ok((first, default.or(named.get("default")?)))
}

/// The call cannot be answered.
pub fn failure(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// The call cannot be answered, and here is what to do about it.
pub fn diagnosed(diagnostic: Diagnostic) -> Error {
    failure(diagnostic.message.clone()).with_source(diagnostic)
}

/// The object has no such method.
pub fn unknown_method() -> Error {
    Error::from(ErrorKind::UnknownMethod)
}
