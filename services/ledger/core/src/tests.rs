//! Scenarios read as transcripts; a simulated world with a badly mannered broker keeps the laws.

mod deciding;
mod fates;
mod fixture;
mod laws;
mod model;
mod saving;
mod stream;
mod telling;
mod world;
