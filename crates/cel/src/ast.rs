//! Expressions.

use crate::value::Value;

/// An expression, and where it begins in its text, in characters.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) at: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Literal(Value),
    Ident(String),
    /// `operand.field`, or with `test` `has(operand.field)`; with `optional` `operand.?field`.
    Select {
        operand: Box<Expr>,
        field: String,
        test: bool,
        optional: bool,
    },
    /// A function, a method, or an operator by its name in CEL: `_+_`. `_&&_` and `_||_` take any number.
    Call {
        function: String,
        target: Option<Box<Expr>>,
        args: Vec<Expr>,
    },
    /// With whether an element is optional (`[?x]`).
    List(Vec<(Expr, bool)>),
    Map(Vec<(Expr, Expr, bool)>),
    Fold(Box<Fold>),
}

/// A macro over the elements of a list or the keys of a map.
#[derive(Debug, Clone)]
pub(crate) struct Fold {
    pub(crate) name: Macro,
    pub(crate) range: Expr,
    pub(crate) var: String,
    /// The second variable of the forms with two: then the first is the index or key.
    pub(crate) second: Option<String>,
    /// The condition, where the macro has one.
    pub(crate) test: Option<Expr>,
    /// What it makes of an element, where it makes something.
    pub(crate) made: Option<Expr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Macro {
    All,
    Exists,
    ExistsOne,
    /// `map`, `transformList`
    Map,
    Filter,
    TransformMap,
    /// `optMap`: the range is an optional.
    OptMap,
    OptFlatMap,
    SortBy,
}

impl Expr {
    /// How deep the tree is; its making is bounded, so this is too.
    pub(crate) fn depth(&self) -> usize {
        let below = match &self.kind {
            Kind::Literal(_) | Kind::Ident(_) => 0,
            Kind::Select { operand, .. } => operand.depth(),
            Kind::Call { target, args, .. } => target
                .iter()
                .map(|target| target.depth())
                .chain(args.iter().map(Expr::depth))
                .max()
                .unwrap_or(0),
            Kind::List(elements) => elements.iter().map(|(element, _)| element.depth()).max().unwrap_or(0),
            Kind::Map(entries) => {
                entries.iter().map(|(key, value, _)| key.depth().max(value.depth())).max().unwrap_or(0)
            }
            Kind::Fold(fold) => [Some(&fold.range), fold.test.as_ref(), fold.made.as_ref()]
                .into_iter()
                .flatten()
                .map(Expr::depth)
                .max()
                .unwrap_or(0),
        };
        below + 1
    }
}
