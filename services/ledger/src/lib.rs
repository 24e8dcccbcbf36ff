//! The ledger: drives the sequencer, keeps every version, answers for history.
