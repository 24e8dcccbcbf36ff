//! Drives the scheduler.
