//! Kafka to bronze, exactly once.
