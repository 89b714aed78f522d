//! Simulated listeners to Kafka or files.
