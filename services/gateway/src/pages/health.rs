//! `/livez`, `/readyz`, `/healthz`: named checks, in upstream's words (k8s.io/apiserver/pkg/server/healthz).

use http::{Response, StatusCode};
use rutter_runtime::metrics::Readiness;
use rutter_runtime::view::Health;

use crate::Gateway;
use crate::body::Body;
use crate::encode::respond;
use crate::request::Query;

/// A check, and why it fails.
pub type Check = (String, Result<(), String>);

/// None for a path that is no check.
pub(super) fn page(gateway: &Gateway, path: &str, query: &Query) -> Option<Response<Body>> {
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let endpoint = parts.next()?;
    let checks = match endpoint {
        "livez" => alive(),
        "readyz" | "healthz" => ready(gateway),
        _ => return None,
    };
    match parts.next() {
        None => Some(all(endpoint, &checks, query)),
        Some(name) => checks.iter().find(|(known, _)| known == name).map(|check| one(check)),
    }
}

fn alive() -> Vec<Check> {
    vec![("ping".to_owned(), Ok(()))]
}

/// What has to hold before requests are answered.
pub fn ready(gateway: &Gateway) -> Vec<Check> {
    let mut checks = alive();
    checks.push(("log".to_owned(), log(gateway)));
    for (name, readiness) in gateway.readiness.checks() {
        let state = match readiness {
            Readiness::Ready => Ok(()),
            Readiness::NotReady(why) => Err(why),
        };
        checks.push((name.to_owned(), state));
    }
    checks
}

fn log(gateway: &Gateway) -> Result<(), String> {
    match &*gateway.store.view().health().borrow() {
        Health::Serving => Ok(()),
        Health::Replaying { done, of } => Err(format!("replaying the log: {done} of {of} frames")),
        Health::Unfit { why } => Err(why.clone()),
    }
}

fn one((_, state): &Check) -> Response<Body> {
    match state {
        Ok(()) => respond::text(StatusCode::OK, "ok"),
        Err(why) => {
            respond::text(StatusCode::INTERNAL_SERVER_ERROR, format!("internal server error: {why}\n"))
        }
    }
}

fn all(endpoint: &str, checks: &[Check], query: &Query) -> Response<Body> {
    let excluded: Vec<&str> = query.all("exclude").collect();
    let mut text = String::new();
    let mut failed = false;
    for (name, state) in checks {
        match state {
            _ if excluded.contains(&name.as_str()) => text.push_str(&format!("[+]{name} excluded: ok\n")),
            Ok(()) => text.push_str(&format!("[+]{name} ok\n")),
            Err(_) => {
                failed = true;
                text.push_str(&format!("[-]{name} failed: reason withheld\n"));
            }
        }
    }
    let unknown: Vec<&str> =
        excluded.into_iter().filter(|name| !checks.iter().any(|(known, _)| known == name)).collect();
    if !unknown.is_empty() {
        let names: Vec<String> = unknown.iter().map(|name| format!("{name:?}")).collect();
        text.push_str(&format!(
            "warn: some health checks cannot be excluded: no matches for {}\n",
            names.join(", ")
        ));
    }
    match (failed, query.has("verbose")) {
        (true, _) => {
            respond::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{text}{endpoint} check failed\n"))
        }
        (false, true) => respond::text(StatusCode::OK, format!("{text}{endpoint} check passed\n")),
        (false, false) => respond::text(StatusCode::OK, "ok"),
    }
}
