//! Paths, queries and Accept headers: each means something, or gets an answer. First line: method and path; second:
//! the header.

use super::parted;
use http::Method;

// The gateway's own room, without the gateway around it, which would bring the database and the broker along.
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "all of the room is here, and little of it used"
)]
#[path = "../../services/gateway/src/request/mod.rs"]
mod request;

use request::info::{Target, read};
use request::options::{ListOptions, of_get};
use request::{Accept, ContentType, Query};

pub fn one(data: &[u8]) {
    let (line, rest) = parted(data);
    let (header, _) = parted(rest);
    let (method, uri) = line.split_once(' ').unwrap_or(("GET", line));
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let query = Query::parse(query);
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
    if let Target::Resource(info) = read(&method, path, &query) {
        assert!(!info.group_version().is_empty() || info.version.is_empty());
    }
    let _ = ListOptions::of_list(&query);
    let _ = ListOptions::of_watch(&query);
    let _ = of_get(&query);
    let _ = Accept::negotiate(Some(header), query.flag("pretty"));
    let _ = ContentType::format(Some(header));
}
