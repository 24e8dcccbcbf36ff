//! The shell: the only place that knows NATS, RocksDB, clocks, retries, tracing and shutdown.
