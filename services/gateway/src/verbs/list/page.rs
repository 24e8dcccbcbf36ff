//! Which objects a list has: the walk over a snapshot, now or in the past, that selectors choose from by meta alone.

use bytes::Bytes;
use rutter_apimachinery::selector::{FieldSelector, LabelSelector, Test};
use rutter_projection::{Error, IndexKey, ListQuery, Record, Snapshot};
use rutter_schemas::{Key, Meta, Revision};

use crate::chain::Call;
use crate::convert::{stored_group, webhook};
use crate::request::options::ListOptions;

/// A limited page is cut here, so that a thousand large objects don't fill the memory; the client goes on by its token.
pub(super) const LARGEST_PAGE: usize = 8 << 20;

/// Objects with their keys, one by one.
pub(super) type Found<'a> = Box<dyn Iterator<Item = Result<(Key, Record), Error>> + 'a>;

/// What is chosen, and the quickest way to it.
#[derive(Clone)]
pub struct Selection {
    query: ListQuery,
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    pub fn of(call: &Call, options: &ListOptions) -> Selection {
        let mut query = ListQuery::of(stored_group(&call.resource), &call.resource.plural);
        if call.resource.namespaced && !call.info.namespace.is_empty() {
            query = query.namespace(&call.info.namespace);
        } else if let Some(namespace) = options.fields.required("metadata.namespace") {
            query = query.namespace(namespace);
        }
        // An index knows objects as they are stored.
        if webhook::asked(&call.resource).is_none()
            && let Some(index) = index(options)
        {
            query = query.index(index);
        }
        Selection { query, labels: options.labels.clone(), fields: options.fields.clone() }
    }

    pub fn after(mut self, key: Key) -> Selection {
        self.query = self.query.after(key);
        self
    }

    /// Whether every object is chosen: only then upstream tells how many remain.
    pub fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    pub fn selects(&self, key: &Key, meta: &Meta) -> bool {
        self.labels.matches(&meta.labels) && self.fields.matches(&key.name, &key.namespace, &meta.fields)
    }

    /// How many there are from here on.
    pub fn count(&self, snapshot: &Snapshot) -> Result<u64, Error> {
        snapshot.count(&self.query)
    }

    /// The chosen objects in key order, as stored.
    pub fn walk<'a>(&'a self, snapshot: &'a Snapshot, revision: Revision) -> Result<Found<'a>, Error> {
        let chosen = |found: &Result<(Key, Record), Error>| match found {
            Ok((key, record)) => self.selects(key, &record.meta),
            Err(_) => true,
        };
        if revision == snapshot.revision() {
            return Ok(Box::new(snapshot.list(&self.query).filter(chosen)));
        }
        Ok(Box::new(snapshot.list_at(&self.query, revision)?.filter(chosen)))
    }

    /// What may be chosen, going by names alone, in key order and as stored.
    pub fn walk_unseen<'a>(&'a self, snapshot: &'a Snapshot, revision: Revision) -> Result<Found<'a>, Error> {
        let chosen = |found: &Result<(Key, Record), Error>| match found {
            Ok((key, _)) => self.fields.may_match(&key.name, &key.namespace),
            Err(_) => true,
        };
        if revision == snapshot.revision() {
            return Ok(Box::new(snapshot.list(&self.query).filter(chosen)));
        }
        Ok(Box::new(snapshot.list_at(&self.query, revision)?.filter(chosen)))
    }

    /// Whether the walk may copy bytes without looking at any record's facts.
    pub fn walks_blindly(&self, snapshot: &Snapshot, revision: Revision) -> Option<&ListQuery> {
        (self.is_everything() && revision == snapshot.revision()).then_some(&self.query)
    }
}

/// The index that picks the fewest: a field that is kept, or any label that has to have one value.
fn index(options: &ListOptions) -> Option<IndexKey> {
    let by_field =
        ["spec.nodeName", "involvedObject.uid", "involvedObject.name"].into_iter().find_map(|field| {
            let value = options.fields.required(field).filter(|value| !value.is_empty())?;
            Some(IndexKey::field(field, value))
        });
    by_field.or_else(|| {
        options.labels.requirements().iter().find_map(|requirement| match &requirement.test {
            Test::Equals(value) => Some(IndexKey::label(&requirement.key, value)),
            _ => None,
        })
    })
}

/// One page of a limited list.
pub struct Page {
    pub objects: Vec<Bytes>,
    /// The last key, if more follow.
    pub more_behind: Option<Key>,
}

impl Page {
    pub fn take(
        walk: impl Iterator<Item = Result<(Key, Record), Error>>,
        limit: usize,
    ) -> Result<Page, Error> {
        let mut page = Page { objects: Vec::new(), more_behind: None };
        let mut last = None;
        let mut size = 0;
        for found in walk {
            let (key, record) = found?;
            if page.objects.len() == limit || size > LARGEST_PAGE {
                page.more_behind = last;
                break;
            }
            size += record.object.len();
            page.objects.push(record.object);
            last = Some(key);
        }
        Ok(page)
    }
}
