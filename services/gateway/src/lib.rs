//! The Kubernetes API over HTTPS.
//!
//! A request's way is [`chain`], on one page; every step of it is a room of its own.

pub mod admission;
mod advertise;
pub mod authn;
pub mod authz;
pub mod body;
mod bootstrap;
pub mod chain;
mod component;
mod convert;
pub mod encode;
mod gateway;
pub mod listen;
pub mod metrics;
pub mod node;
pub mod pages;
pub mod pins;
pub mod request;
pub mod review;
pub mod service;
mod start;
pub mod store;
pub mod stream;
pub mod subresource;
pub mod verbs;
mod webhook;

pub use gateway::{Gateway, Parts};
pub use pages::rutter::tokens::Joining;
pub use start::{Config, Given, StartError, start};
pub use webhook::Webhooks;
