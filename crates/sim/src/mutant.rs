//! Planted faults, one for each way in which a law could be broken: the laws' checks are proven by catching them.

use std::fmt;
use std::str::FromStr;

use rutter_ledger_core::Mutant as LedgerMutant;

/// What is wrong in a run on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// In the sequencer.
    Ledger(LedgerMutant),
    /// Executors propose events without their touches.
    MissingTouch,
    /// A projection writes its cursor before its rows.
    CursorBeforeRows,
    /// A projection shows a frame event by event.
    HalfCommit,
    /// A projection's index keeps the labels an object once had.
    ForgottenLabel,
    /// A controller decides by something that is not in its view.
    WaveringPlan,
    /// After its first crash a controller never looks again.
    SleepingController,
    /// A controller is not told what became of its plans.
    LostOutcome,
    /// Executors don't count what is born.
    UncountedBirth,
}

const NAMES: [(&str, Mutant); 15] = [
    ("no-guard", Mutant::Ledger(LedgerMutant::NoGuard)),
    ("missing-touch", Mutant::MissingTouch),
    ("no-fence", Mutant::Ledger(LedgerMutant::NoFence)),
    ("resend-is-deposition", Mutant::Ledger(LedgerMutant::ResendIsDeposition)),
    ("absence-is-outcome", Mutant::Ledger(LedgerMutant::AbsenceIsOutcome)),
    ("unacknowledged-answer", Mutant::Ledger(LedgerMutant::UnacknowledgedAnswer)),
    ("foreign-base", Mutant::Ledger(LedgerMutant::ForeignBase)),
    ("late-frame", Mutant::Ledger(LedgerMutant::LateFrame)),
    ("cursor-before-rows", Mutant::CursorBeforeRows),
    ("half-commit", Mutant::HalfCommit),
    ("forgotten-label", Mutant::ForgottenLabel),
    ("wavering-plan", Mutant::WaveringPlan),
    ("sleeping-controller", Mutant::SleepingController),
    ("lost-outcome", Mutant::LostOutcome),
    ("uncounted-birth", Mutant::UncountedBirth),
];

impl Mutant {
    pub fn all() -> impl Iterator<Item = Mutant> {
        NAMES.iter().map(|(_, mutant)| *mutant)
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, mutant)| mutant == self).map_or("", |(name, _)| name);
        f.pad(name)
    }
}

impl FromStr for Mutant {
    type Err = String;

    fn from_str(text: &str) -> Result<Mutant, String> {
        let found = NAMES.iter().find(|(name, _)| *name == text).map(|(_, mutant)| *mutant);
        found.ok_or_else(|| {
            format!("there is no mutant {text}; there are: {}", NAMES.map(|(name, _)| name).join(", "))
        })
    }
}
