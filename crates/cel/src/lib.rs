//! The Common Expression Language as Kubernetes has it (`github.com/google/cel-go`, `k8s.io/apiserver/pkg/cel`): parsed,
//! checked against types, priced before it runs, and bounded while it runs.
//!
//! ```text
//! text ─ parse ─► Expr ─ check(types) ─► Program ─ cost ─► how dear it can get
//!                                           └─ run(variables, limit) ─► value, what it cost
//! ```
//! Nothing here knows Kubernetes' objects: a [`Decl`] says what variables look like. No input makes it panic or overflow
//! the stack: length and depth are bounded before anything else.

mod ast;
mod check;
mod cost;
mod decl;
mod eval;
mod lex;
mod library;
mod parse;
mod types;
mod value;

pub use check::{Program, compile};
pub use cost::Cost;
pub use decl::Decl;
pub use eval::{Ended, Run};
pub use library::time::parse_duration;
pub use types::Type;
pub use value::{Key, List, ListKind, Value};
