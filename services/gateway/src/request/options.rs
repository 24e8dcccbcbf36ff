//! `ListOptions` of lists, watches and collection deletes: read from the query once and validated as upstream does
//! (k8s.io/apimachinery/pkg/apis/meta/internalversion/validation), so that the verbs see only what can be answered.

use std::time::Duration;

use rutter_apimachinery::selector::{FieldSelector, LabelSelector};
use rutter_apimachinery::status::{FieldError, Path, Status, Subject};
use rutter_schemas::Revision;

use super::Query;

/// Which state a read asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// No `resourceVersion`: what was acknowledged before the request came.
    Latest,
    /// `0`: whatever this gateway has.
    Any,
    /// A revision, or later.
    NotOlderThan(Revision),
    /// The state as of this revision, exactly.
    Exact(Revision),
}

/// What a list or watch asks for.
#[derive(Debug, Clone)]
pub struct ListOptions {
    pub at: At,
    /// `0`: all.
    pub limit: usize,
    pub continue_token: Option<String>,
    pub labels: LabelSelector,
    pub fields: FieldSelector,
    pub timeout: Option<Duration>,
    pub bookmarks: bool,
    pub send_initial_events: Option<bool>,
}

impl ListOptions {
    pub fn of_list(query: &Query) -> Result<ListOptions, Status> {
        check(list_errors(query))?;
        let exact = query.get("resourceVersionMatch") == Some("Exact");
        let limit = number(query, "limit")?.unwrap_or(0);
        let at = match revision(query)? {
            Some(at) if exact => At::Exact(at),
            // Upstream's rule: with a limit and no match, a revision is exact.
            Some(Revision(n)) if n > 0 && limit > 0 && !query.has("resourceVersionMatch") => {
                At::Exact(Revision(n))
            }
            other => not_older_than(other),
        };
        ListOptions::of(query, at, limit)
    }

    pub fn of_watch(query: &Query) -> Result<ListOptions, Status> {
        check(watch_errors(query))?;
        ListOptions::of(query, not_older_than(revision(query)?), 0)
    }

    fn of(query: &Query, at: At, limit: i64) -> Result<ListOptions, Status> {
        Ok(ListOptions {
            at,
            limit: usize::try_from(limit).unwrap_or(0),
            continue_token: query.get("continue").map(str::to_owned),
            labels: LabelSelector::parse(query.get("labelSelector").unwrap_or_default())
                .map_err(|why| Status::bad_request(format!("unable to parse requirement: {why}")))?,
            fields: FieldSelector::parse(query.get("fieldSelector").unwrap_or_default())
                .map_err(|why| Status::bad_request(why.to_string()))?,
            timeout: number(query, "timeoutSeconds")?
                .and_then(|seconds| u64::try_from(seconds).ok())
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
            bookmarks: query.flag("allowWatchBookmarks"),
            send_initial_events: query.tri("sendInitialEvents"),
        })
    }
}

/// Which state a `get` asks for. `resourceVersionMatch` is ours there: upstream has it for lists only.
pub fn of_get(query: &Query) -> Result<At, Status> {
    let at = revision(query)?;
    match (query.get("resourceVersionMatch"), at) {
        (Some("Exact"), Some(at)) if at != Revision::NONE => Ok(At::Exact(at)),
        _ => Ok(not_older_than(at)),
    }
}

fn not_older_than(at: Option<Revision>) -> At {
    match at {
        None => At::Latest,
        Some(Revision::NONE) => At::Any,
        Some(at) => At::NotOlderThan(at),
    }
}

/// Upstream's `ParseResourceVersion`, in its words.
pub fn revision(query: &Query) -> Result<Option<Revision>, Status> {
    let Some(text) = query.get("resourceVersion") else { return Ok(None) };
    parse_revision(text).map(Some)
}

pub fn parse_revision(text: &str) -> Result<Revision, Status> {
    text.parse().map(Revision).map_err(|error: std::num::ParseIntError| {
        let problem = match error.kind() {
            std::num::IntErrorKind::PosOverflow => "value out of range",
            _ => "invalid syntax",
        };
        let detail = format!("strconv.ParseUint: parsing \"{text}\": {problem}");
        let error = Path::of("resourceVersion").invalid(text, &detail);
        Status::bad_request(format!("invalid resource version: {error}"))
    })
}

fn number(query: &Query, name: &str) -> Result<Option<i64>, Status> {
    let Some(text) = query.get(name) else { return Ok(None) };
    text.parse()
        .map(Some)
        .map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax")))
}

fn check(errors: Vec<FieldError>) -> Result<(), Status> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(Subject::new("meta.k8s.io", "ListOptions"), "", errors))
}

const MATCH: Path<'static> = Path::of("resourceVersionMatch");

fn list_errors(query: &Query) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(wanted) = query.get("resourceVersionMatch") {
        if query.get("resourceVersion").is_none() {
            errors.push(
                MATCH.forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"),
            );
        }
        if query.get("continue").is_some() {
            errors.push(MATCH.forbidden("resourceVersionMatch is forbidden when continue is provided"));
        }
        if !matches!(wanted, "Exact" | "NotOlderThan") {
            errors.push(MATCH.not_supported(wanted, &["Exact", "NotOlderThan", ""]));
        }
        if wanted == "Exact" && query.get("resourceVersion") == Some("0") {
            errors.push(
                MATCH.forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""),
            );
        }
    }
    if query.has("sendInitialEvents") {
        errors.push(Path::of("sendInitialEvents").forbidden("sendInitialEvents is forbidden for list"));
    }
    errors
}

fn watch_errors(query: &Query) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let wanted = query.get("resourceVersionMatch");
    if query.has("sendInitialEvents") && wanted != Some("NotOlderThan") {
        errors
            .push(MATCH.forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    }
    if let Some(wanted) = wanted {
        if !query.has("sendInitialEvents") {
            errors.push(MATCH.forbidden(
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ));
        }
        if wanted != "NotOlderThan" {
            errors.push(MATCH.not_supported(wanted, &["NotOlderThan"]));
        }
        if query.get("continue").is_some() {
            errors.push(MATCH.forbidden("resourceVersionMatch is forbidden when continue is provided"));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_and_its_match_say_which_state_is_wanted() {
        let cases = [
            ("", At::Latest),
            ("resourceVersion=0", At::Any),
            ("resourceVersion=7", At::NotOlderThan(Revision(7))),
            ("resourceVersion=7&limit=5", At::Exact(Revision(7))),
            ("resourceVersion=7&resourceVersionMatch=Exact", At::Exact(Revision(7))),
            ("resourceVersion=7&limit=5&resourceVersionMatch=NotOlderThan", At::NotOlderThan(Revision(7))),
            ("resourceVersion=0&limit=500", At::Any),
        ];
        for (query, expected) in cases {
            let options = ListOptions::of_list(&Query::parse(query)).expect("valid");
            assert_eq!(options.at, expected, "{query}");
        }
    }

    #[test]
    fn options_that_contradict_each_other_are_refused_in_upstreams_words() {
        let list = |query: &str| ListOptions::of_list(&Query::parse(query)).expect_err("refused");
        let watch = |query: &str| ListOptions::of_watch(&Query::parse(query)).expect_err("refused");
        let cases = [
            (
                list("resourceVersionMatch=Exact"),
                422,
                "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
            ),
            (
                list("resourceVersion=0&resourceVersionMatch=Exact"),
                422,
                "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
            ),
            (
                watch("sendInitialEvents=true"),
                422,
                "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ),
            (
                list("resourceVersion=abc"),
                400,
                "invalid resource version: resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax",
            ),
        ];
        for (status, code, message) in cases {
            assert_eq!((status.code, status.message.as_str()), (code, message));
        }
    }
}
