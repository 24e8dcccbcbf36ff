//! What was asked: the path's meaning, the query's options, and what the client reads and writes.
//! Nothing here looks at the cluster; the same request always means the same.

pub mod accept;
pub mod deadline;
pub mod info;
pub mod options;
pub mod query;

pub use accept::{Accept, ContentType, Format, Shape};
pub use info::{RequestInfo, Verb};
pub use query::Query;
