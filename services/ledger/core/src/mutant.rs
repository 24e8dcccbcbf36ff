//! Faults that can be planted into a sequencer: one per law, so that each check is proven able to fail.

/// A deliberate fault. Planted by `Sequencer::plant`, which exists only in tests and with the feature `mutants`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Guards are not looked at.
    NoGuard,
    /// Frames are appended wherever the stream ends.
    NoFence,
    /// A refused append is taken for another ledger's take-over.
    ResendIsDeposition,
    /// A position that is still empty is taken for a frame that was never written.
    AbsenceIsOutcome,
    /// Commits are answered when they are decided.
    UnacknowledgedAnswer,
    /// A base of another incarnation is compared with revisions of this one.
    ForeignBase,
    /// A frame that lands before the epoch frame is stepped over instead of applied.
    LateFrame,
}

impl Mutant {
    pub const ALL: [Mutant; 7] = [
        Mutant::NoGuard,
        Mutant::NoFence,
        Mutant::ResendIsDeposition,
        Mutant::AbsenceIsOutcome,
        Mutant::UnacknowledgedAnswer,
        Mutant::ForeignBase,
        Mutant::LateFrame,
    ];
}
