//! Every path of the API and what each HTTP method does there.

use super::GroupVersionKind;

/// A path and its methods.
#[derive(Debug)]
pub struct PathOperations {
    /// `/api/v1/namespaces/{namespace}/pods/{name}`.
    pub path: &'static str,
    pub operations: Vec<Operation>,
}

/// What a method does.
#[derive(Debug)]
pub struct Operation {
    /// `get`, `post` …, in small letters.
    pub method: &'static str,
    /// `get`, `list`, `watchlist`, `post`, `deletecollection`, `connect` …; `None` outside the resources.
    pub action: Option<&'static str>,
    pub kind: Option<GroupVersionKind>,
}

pub(super) fn parse(text: &'static str) -> Vec<PathOperations> {
    super::lines(text).map(path).collect()
}

fn path(line: &'static str) -> PathOperations {
    let mut words = line.split(' ');
    let path = words.next().expect("a line has a first word");
    PathOperations { path, operations: words.map(operation).collect() }
}

fn operation(word: &'static str) -> Operation {
    let mut parts = word.splitn(3, ':');
    let mut part = || parts.next().expect("an operation has three parts");
    let (method, action, kind) = (part(), part(), part());
    Operation {
        method,
        action: Some(action).filter(|action| *action != "-"),
        kind: Some(kind).filter(|kind| *kind != "-").map(GroupVersionKind::parse),
    }
}
