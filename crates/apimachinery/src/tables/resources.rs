//! What discovery says of every resource of a server with everything on.

use super::GroupVersionKind;

/// An API group.
#[derive(Debug)]
pub struct GroupFacts {
    /// `""` for the core group.
    pub name: &'static str,
    /// The preferred one first.
    pub versions: Vec<VersionFacts>,
}

/// A version of a group.
#[derive(Debug)]
pub struct VersionFacts {
    pub name: &'static str,
    /// In the order of names.
    pub resources: Vec<ResourceFacts>,
}

/// A resource.
#[derive(Debug)]
pub struct ResourceFacts {
    pub plural: &'static str,
    pub kind: &'static str,
    pub singular: &'static str,
    pub namespaced: bool,
    pub short_names: Vec<&'static str>,
    pub categories: Vec<&'static str>,
    pub verbs: Vec<&'static str>,
    /// `None` for what is not stored.
    pub storage_version_hash: Option<&'static str>,
    pub subresources: Vec<SubresourceFacts>,
}

/// A subresource.
#[derive(Debug)]
pub struct SubresourceFacts {
    pub name: &'static str,
    pub kind: &'static str,
    /// The kind with its group and version where they are not the resource's.
    pub foreign: Option<GroupVersionKind>,
    pub verbs: Vec<&'static str>,
}

pub(super) fn parse(text: &'static str) -> Vec<GroupFacts> {
    let mut groups: Vec<GroupFacts> = Vec::new();
    for line in super::lines(text) {
        let (tag, rest) = line.split_at(2);
        match tag {
            "G " => groups.push(GroupFacts { name: rest.trim_start_matches('-'), versions: Vec::new() }),
            "V " => last(&mut groups).versions.push(VersionFacts { name: rest, resources: Vec::new() }),
            "R " => last(&mut last(&mut groups).versions).resources.push(resource(rest)),
            "S " => {
                let resources = &mut last(&mut last(&mut groups).versions).resources;
                last(resources).subresources.push(subresource(rest));
            }
            _ => unreachable!("the generator writes only these: {line}"),
        }
    }
    groups
}

fn last<T>(list: &mut [T]) -> &mut T {
    list.last_mut().expect("a line follows the line it belongs to")
}

fn resource(line: &'static str) -> ResourceFacts {
    let mut words = line.split(' ');
    let mut word = || words.next().expect("a resource has eight words");
    ResourceFacts {
        plural: word(),
        kind: word(),
        singular: word(),
        namespaced: word() == "n",
        short_names: list(word()),
        categories: list(word()),
        verbs: list(word()),
        storage_version_hash: Some(word()).filter(|hash| *hash != "-"),
        subresources: Vec::new(),
    }
}

fn subresource(line: &'static str) -> SubresourceFacts {
    let mut words = line.split(' ');
    let mut word = || words.next().expect("a subresource has three words");
    let (name, kind, verbs) = (word(), word(), list(word()));
    let foreign = kind.contains('/').then(|| GroupVersionKind::parse(kind));
    SubresourceFacts { name, kind: kind.rsplit('/').next().unwrap_or(kind), foreign, verbs }
}

fn list(word: &'static str) -> Vec<&'static str> {
    if word == "-" { Vec::new() } else { word.split(',').collect() }
}
