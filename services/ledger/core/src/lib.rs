//! The sequencer: checks, numbers and records proposals.
