//! The HTML report of the demo.
