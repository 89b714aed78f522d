//! Why a record is bad.

use std::borrow::Cow;

/// The closed list of reasons, as the column `_error` holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The record has no value (a tombstone).
    NullValue,
    /// The value has no bytes.
    EmptyValue,
    /// The value does not begin with the framing of the schema registry.
    NotFramed,
    /// The registry has no schema of this id.
    UnknownSchema,
    /// The schema is of another language than the topic's format.
    WrongSchemaType,
    /// The schema cannot be read, or does not fit the table.
    UnsupportedSchema,
    /// The value ends before the schema does.
    Truncated,
    /// Bytes are left after the last field.
    TrailingBytes,
    /// The value breaks the rules of its encoding.
    Malformed,
    /// Text that is not UTF-8.
    BadUtf8,
    /// A value of another type than the schema says.
    TypeMismatch,
    /// A number too large for its type.
    NumberOutOfRange,
    /// A required field is not there.
    MissingField,
    /// A field that the schema forbids.
    ExtraField,
    /// Nested deeper than we follow.
    TooDeep,
    /// Lists and maps that would take more memory than one record may.
    TooLarge,
    /// The event's time is null, or its field does not exist.
    NoEventTime,
    /// The event's time is outside the accepted range.
    EventTimeOutOfRange,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 18] = [
        Self::NullValue,
        Self::EmptyValue,
        Self::NotFramed,
        Self::UnknownSchema,
        Self::WrongSchemaType,
        Self::UnsupportedSchema,
        Self::Truncated,
        Self::TrailingBytes,
        Self::Malformed,
        Self::BadUtf8,
        Self::TypeMismatch,
        Self::NumberOutOfRange,
        Self::MissingField,
        Self::ExtraField,
        Self::TooDeep,
        Self::TooLarge,
        Self::NoEventTime,
        Self::EventTimeOutOfRange,
    ];

    /// The code as the table holds it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NullValue => "null_value",
            Self::EmptyValue => "empty_value",
            Self::NotFramed => "not_framed",
            Self::UnknownSchema => "unknown_schema",
            Self::WrongSchemaType => "wrong_schema_type",
            Self::UnsupportedSchema => "unsupported_schema",
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailing_bytes",
            Self::Malformed => "malformed",
            Self::BadUtf8 => "bad_utf8",
            Self::TypeMismatch => "type_mismatch",
            Self::NumberOutOfRange => "number_out_of_range",
            Self::MissingField => "missing_field",
            Self::ExtraField => "extra_field",
            Self::TooDeep => "too_deep",
            Self::TooLarge => "too_large",
            Self::NoEventTime => "no_event_time",
            Self::EventTimeOutOfRange => "event_time_out_of_range",
        }
    }
}

/// One record's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which kind.
    pub code: Code,
    /// The same for people, with the field's name.
    pub text: Cow<'static, str>,
}

impl Fault {
    /// A fault in words.
    pub fn new(code: Code, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// The same fault, seen from the record or list around it.
    #[must_use]
    pub(super) fn within(self, field: &str) -> Self {
        Self {
            text: format!("`{field}`: {}", self.text).into(),
            ..self
        }
    }
}
