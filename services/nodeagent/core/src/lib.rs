//! The decisions of a node: what its pods need next, what their status is, what Services and DNS look like from here.
//!
//! Nothing here knows a socket, a clock or a disk: facts and the time come in as arguments, work comes out as
//! [`machine::Action`]s. The shell (crate `rutter-nodeagent`) does the work and tells how it went.
//!
//! | module | story |
//! | --- | --- |
//! | [`view`] | the objects as the node reads them |
//! | [`feed`], [`objects`] | what the node knows of the cluster |
//! | [`machine`] | one pod: what to do next, and its status |
//! | [`node`] | all pods of a node |
//! | [`plan`] | what a sandbox, a container, a volume is made of |
//! | [`nft`], [`dns`] | Services as the kernel and a resolver see them |
//! | [`routes`] | the ways to the pods of other nodes |

pub mod dns;
pub mod env;
pub mod feed;
pub mod fields;
pub mod machine;
pub mod nft;
pub mod node;
pub mod objects;
pub mod plan;
pub mod resources;
pub mod routes;
pub mod veil;
pub mod view;
pub mod volumes;
