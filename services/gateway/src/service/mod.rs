//! What a Service takes of what is scarce: cluster IPs and node ports. Each is an object of its own, made with
//! `expect: absent` in the Service's commit, so that two Services never get the same (design §2); it goes with the
//! Service, in the same commit where we delete it, or soon after where somebody else did ([`sweep`]).

mod claims;
mod range;
pub mod sweep;
mod wish;

use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::Draft;
use rutter_projection::Snapshot;
use rutter_schemas::Op;
use serde_json::Value;

use crate::chain::Call;

pub use claims::Claim;
pub use range::{Ranges, RangesError};

/// Whether the request is about Services themselves.
pub fn is_service(call: &Call) -> bool {
    call.resource.group.is_empty() && call.resource.plural == "services"
}

/// Gives a Service the addresses and ports that it asks for or lacks, and answers the claims on them.
///
/// # Errors
/// 422 for what can't be had, 500 when everything is taken.
pub fn taken(
    call: &Call,
    snapshot: &Snapshot,
    before: Option<&Value>,
    service: &mut Value,
) -> Result<Vec<Draft>, Status> {
    let gateway = &call.gateway;
    let claims = wish::grant(&gateway.ranges, snapshot, before, service, call)?;
    claims.into_iter().map(|claim| claim.taken(&gateway.registry(), service, call)).collect()
}

/// Gives back what the Service has no more after this draft.
///
/// # Errors
/// When the view can't be read.
pub fn released(call: &Call, snapshot: &Snapshot, draft: &Draft) -> Result<Vec<Draft>, Status> {
    let before = call.before(snapshot)?.unwrap_or_default();
    let kept = if draft.event.op == Op::Delete { Vec::new() } else { Claim::of(&draft.object) };
    let gone = Claim::of(&before).into_iter().filter(|claim| !kept.contains(claim));
    let released = gone.map(|claim| claim.released(&call.gateway.registry(), snapshot));
    released.filter_map(Result::transpose).collect()
}
