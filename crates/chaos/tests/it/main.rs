//! The check from outside, which must be able to fail.

mod checker;
mod documents;
