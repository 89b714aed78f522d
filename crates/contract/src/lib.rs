//! What an event is: topics, schemas, routing and partition columns. No I/O.
