//! Schema Registry client, wire framing, and an embedded registry for the demo and tests.
