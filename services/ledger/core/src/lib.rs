//! The sequencer: decides which proposals become events, numbers them and has them recorded, one frame at a time.
//!
//! It is a state machine without IO. Whoever drives it brings proposals, the time, and what the stream said; it hands
//! back the frame to append, the position to read and the answers that may be told ([`Ready`]).
//!
//! What it keeps true:
//! - A commit is recorded only if each object is as expected, no guarded scope was touched after its base, and no counter
//!   exceeds its maximum: against everything decided before it, recorded or not.
//! - An answer is told only when every frame it was decided on is acknowledged; and a rejection or a reading only when
//!   this ledger also proved, after the question arrived, that it is still the active one.
//! - What becomes of a frame is told by what stands at its position in the stream, and by nothing else.
//! - The same frames make the same state, whoever wrote them and wherever it was saved in between.
//!
//! It never reads a clock, an object's state, or anything but its inputs.

mod answers;
mod flight;
mod index;
mod judge;
mod marks;
mod mutant;
mod ready;
mod recent;
mod refusals;
mod save;
mod sequencer;
mod settings;
mod state;

pub use mutant::Mutant;
pub use ready::{Answer, Append, Deposed, Proof, Ready, SteppedDown, Ticket};
pub use save::LoadError;
pub use sequencer::{Refused, Role, Room, Sequencer, Unready};
pub use settings::{Proving, RecentLimits, Settings};

#[cfg(test)]
mod tests;
