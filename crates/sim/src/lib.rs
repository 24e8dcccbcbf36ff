//! All machines together over an in-memory stream: virtual clock, faults, checkers.
//!
//! A run is a pure function of its seed: [`run`] draws every delay, fault and wish from it, drives the real sequencer,
//! follower, executor and controllers, and judges the log and every answer by the laws of the design (§10). The same
//! seed gives the same story, byte for byte.
//!
//! | module | plays |
//! | --- | --- |
//! | [`stream`] | JetStream, with its bad manners |
//! | [`ledger`] | two ledgers: the real sequencer, take-over, crashes, stops |
//! | [`process`], [`model`], [`crew`] | gateways and two copies of each controller, each with a projection and a lag |
//! | [`write`], [`decide`] | the real executor, and the API's rules |
//! | [`users`], [`wish`], [`nodes`] | who wants something |
//! | [`faults`], [`weather`] | what goes wrong |
//! | [`laws`] | what must be so all the same |

pub mod agenda;
mod broker;
pub mod crew;
pub mod decide;
pub mod faults;
pub mod laws;
pub mod ledger;
pub mod model;
pub mod mutant;
pub mod nodes;
pub mod process;
pub mod rng;
pub mod seeds;
pub mod story;
pub mod stream;
pub mod subscription;
pub mod time;
pub mod users;
pub mod weather;
pub mod wish;
pub mod world;
pub mod write;

pub use mutant::Mutant;
pub use story::Story;
pub use world::{Report, Setup, run};
