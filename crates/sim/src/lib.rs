//! All machines together over an in-memory stream: virtual clock, faults, checkers.
