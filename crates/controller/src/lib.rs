//! The vocabulary of controllers, without IO, and the fixtures that test them.
//!
//! A [`Controller`] folds [`Fact`]s into a small view and decides from that view alone: what it decides is a
//! [`Plan`], a commit in the making. A [`Machine`] keeps one controller's view and agenda; whoever carries plans to
//! the log drives it: the shell on the real one, the simulator on its own. Nothing here knows a socket, a clock or
//! a disk; time is an argument, and names are derived.

pub mod controller;
pub mod draft;
pub mod fact;
pub mod given;
pub mod machine;
pub mod part;
pub mod plan;
mod print;
pub mod read;
pub mod reads;

pub use controller::Controller;
pub use fact::Fact;
pub use machine::{Machine, Settled, Ticket, Turn};
pub use part::Part;
pub use plan::{Intent, Plan, Propagation, Refusal};
pub use reads::{Outside, Reads};
