//! Why a pod waits, in upstream's words (`framework.FitError`): how many nodes there are, and how many of them fail
//! for which reason.

use std::collections::BTreeMap;

use crate::filter::{shortages, unsuited};
use crate::shape::Shape;
use crate::view::{Node, Taken};

/// The message of the condition `PodScheduled` of a pod that found no node.
pub(crate) fn explain(shape: &Shape, never_preempts: bool, nodes: &[&Node], taken: &[Taken]) -> String {
    if nodes.is_empty() {
        return "no nodes available to schedule pods".to_owned();
    }
    let mut reasons = BTreeMap::<String, usize>::new();
    let mut hopeless = 0;
    for (node, taken) in nodes.iter().zip(taken) {
        match unsuited(shape, node) {
            Some(reason) => {
                hopeless += 1;
                *reasons.entry(reason).or_default() += 1;
            }
            None => {
                for reason in shortages(shape, node, taken) {
                    *reasons.entry(reason).or_default() += 1;
                }
            }
        }
    }
    let all = nodes.len();
    let told = told(all, &reasons);
    if never_preempts {
        return format!("{told} preemption: not eligible due to preemptionPolicy=Never.");
    }
    format!("{told} preemption: {}", preemption(all, hopeless))
}

/// Nobody is sent away for another yet, so there never are victims.
fn preemption(all: usize, hopeless: usize) -> String {
    let mut reasons = BTreeMap::new();
    reasons.insert("No preemption victims found for incoming pod".to_owned(), all - hopeless);
    reasons.insert("Preemption is not helpful for scheduling".to_owned(), hopeless);
    reasons.retain(|_, count| *count > 0);
    told(all, &reasons)
}

/// `0/3 nodes are available: 1 Insufficient cpu, 2 Too many pods.`, sorted as text.
fn told(all: usize, reasons: &BTreeMap<String, usize>) -> String {
    let mut parts: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    parts.sort();
    format!("0/{all} nodes are available: {}.", parts.join(", "))
}
