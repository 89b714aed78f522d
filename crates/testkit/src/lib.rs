//! Real servers as child processes, for tests and ./dev stack.
