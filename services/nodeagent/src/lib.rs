//! Runs the pods of a node: containers, networks, volumes, probes, DNS.
//!
//! The decisions are `rutter-nodeagent-core`'s; here is what does them. One task owns the core ([`agent`]); work runs
//! in tasks of its own and comes back as inputs.
//!
//! | module | story |
//! | --- | --- |
//! | [`agent`] | the loop: feeds and events in, work out |
//! | [`link`] | the node protocol, over NATS or over channels |
//! | [`veil`] | values of Secrets on their way around containerd's disk |
//! | `runtime` | containerd over CRI, its events, its supervision; the simulation |
//! | `disk` | volumes, the kept feed, paths |
//! | `net` | addresses for pods, Services, DNS |
//! | `stream` | logs, exec, connections into pods |
//! | `page` | what the node tells of itself over HTTP |
//! | `probe` | questions over the network |
//! | [`image`] | images without a registry |
//! | `node` | the `Node` object, statistics, cgroups |

mod agent;
mod config;
mod disk;
pub mod image;
pub mod link;
mod net;
mod node;
mod page;
mod probe;
mod run;
mod runtime;
mod stream;
mod teardown;
mod tls;
pub mod veil;

pub use config::{Config, ConfigError, RuntimeKind};
pub use node::facts::own_address;
pub use run::{AgentError, Connections, run, run_on};
pub use runtime::containerd::ContainerdError;
pub use teardown::{TeardownError, teardown};
