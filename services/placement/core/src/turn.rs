//! One turn: the pods that wait get their nodes, and those that find none are told why.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use rutter_apimachinery::recorder::{Note, Regarding};
use rutter_controller::read::stamp;
use rutter_controller::{Intent, Plan};
use rutter_schemas::Scope;
use serde_json::{Value, json};

use crate::filter::{has_room, unsuited};
use crate::queue::Waiting;
use crate::reasons::explain;
use crate::score::score;
use crate::shape::Shape;
use crate::view::{Node, Taken, View};

/// How many pods one turn places, so that none waits long for the answers to the others.
const PODS_MOST: usize = 4_000;

/// How many conditions one commit tells.
const TOLD_MOST: usize = 500;

/// One plan per node that gets pods, and plans that tell the pods that got none.
pub(crate) fn plans(view: &View, now: Timestamp) -> Vec<Plan> {
    let mut turn = Turn::of(view);
    let mut placed = BTreeMap::<usize, Vec<&Waiting>>::new();
    let (mut many, mut left) = (0, Vec::new());
    for pod in view.waiting() {
        match turn.place(pod) {
            Some(node) => placed.entry(node).or_default().push(pod),
            None => {
                left.push(pod);
                continue;
            }
        }
        many += 1;
        if many == PODS_MOST {
            break;
        }
    }
    let mut plans: Vec<Plan> = placed.into_iter().map(|(node, pods)| bind(turn.nodes[node], &pods)).collect();
    plans.extend(tell(&turn, &left, now));
    if plans.is_empty() { vec![Plan::idle("no pod waits that could be helped")] } else { plans }
}

/// The nodes while pods are placed: sums as they would be.
struct Turn<'a> {
    nodes: Vec<&'a Node>,
    taken: Vec<Taken>,
    shapes: HashMap<&'a Shape, Known>,
    families: Families<'a>,
}

/// How many pods of an owner each node has, with those placed in this turn; looked up when first asked for.
struct Families<'a> {
    view: &'a View,
    places: HashMap<&'a str, usize>,
    counts: HashMap<&'a str, Vec<u32>>,
}

/// What is known about a shape in this turn.
#[derive(Default)]
struct Known {
    /// Per node whether it suits, once that was asked.
    suits: Vec<Option<bool>>,
    /// No node had room. Room only shrinks during a turn, so none will have.
    hopeless: bool,
}

impl<'a> Turn<'a> {
    fn of(view: &'a View) -> Turn<'a> {
        let (nodes, taken) = view.nodes();
        let places = nodes.iter().enumerate().map(|(place, node)| (node.name.as_str(), place)).collect();
        let families = Families { view, places, counts: HashMap::new() };
        Turn { nodes, taken, shapes: HashMap::new(), families }
    }

    /// Finds the best node for a pod and takes its room.
    fn place(&mut self, pod: &'a Waiting) -> Option<usize> {
        let known = self.shapes.entry(&pod.shape).or_default();
        if known.hopeless {
            return None;
        }
        known.suits.resize(self.nodes.len(), None);
        let fitting = fitting(pod, &self.nodes, &self.taken, known);
        known.hopeless = fitting.is_empty();
        let mut nobody = Vec::new();
        let family = match &pod.owner {
            Some(owner) => self.families.counts(owner),
            None => &mut nobody,
        };
        let best = best(pod, &fitting, &self.nodes, &self.taken, family)?;
        self.taken[best].add(&pod.shape);
        if let Some(count) = family.get_mut(best) {
            *count += 1;
        }
        Some(best)
    }
}

impl<'a> Families<'a> {
    fn counts(&mut self, owner: &'a str) -> &mut Vec<u32> {
        self.counts.entry(owner).or_insert_with(|| {
            let mut counts = vec![0; self.places.len()];
            for (node, count) in self.view.family(owner) {
                if let Some(place) = self.places.get(node) {
                    counts[*place] = count;
                }
            }
            counts
        })
    }
}

/// Nodes with room for the pod: all of a few, a share of many, beginning at a place that follows from the pod.
fn fitting(pod: &Waiting, nodes: &[&Node], taken: &[Taken], known: &mut Known) -> Vec<usize> {
    let all = nodes.len();
    if all == 0 {
        return Vec::new();
    }
    let start = spot(&pod.uid, all);
    let round = (start..all).chain(0..start);
    round
        .filter(|place| {
            has_room(&pod.shape, nodes[*place], &taken[*place])
                && *known.suits[*place].get_or_insert_with(|| unsuited(&pod.shape, nodes[*place]).is_none())
        })
        .take(enough(all))
        .collect()
}

/// How many nodes with room are enough to choose from (upstream: `numFeasibleNodesToFind`).
fn enough(all: usize) -> usize {
    if all < 100 {
        return all;
    }
    let percent = 50usize.saturating_sub(all / 125).max(5);
    (all * percent / 100).max(100)
}

/// A number below `all` that follows from a text (FNV-1a).
fn spot(text: &str, all: usize) -> usize {
    let hash =
        text.bytes().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash as usize % all
}

/// The best of the fitting ones, the first of equals.
fn best(pod: &Waiting, fitting: &[usize], nodes: &[&Node], taken: &[Taken], family: &[u32]) -> Option<usize> {
    let count = |place: usize| family.get(place).copied().unwrap_or_default();
    let most = fitting.iter().map(|place| count(*place)).max().unwrap_or_default();
    let mut best = None;
    for place in fitting.iter().copied() {
        let points = score(&pod.shape, nodes[place], &taken[place], count(place), most);
        if best.is_none_or(|(most, _)| points > most) {
            best = Some((points, place));
        }
    }
    best.map(|(_, place)| place)
}

/// All that goes to one node, or nothing of it.
fn bind(node: &Node, pods: &[&Waiting]) -> Plan {
    let mut plan = Plan::because(match pods {
        [_] => format!("{} has room", node.name),
        _ => format!("{} has room for {} pods", node.name, pods.len()),
    });
    for pod in pods {
        plan.intents.push(Intent::Merge {
            key: pod.key.clone(),
            expect: pod.revision,
            patch: json!({ "spec": { "nodeName": node.name } }),
            subresource: Some("binding"),
        });
        let (space, name) = (&pod.key.namespace, &pod.key.name);
        let told = format!("Successfully assigned {space}/{name} to {}", node.name);
        plan.note(Note::normal(regarding(pod), "Scheduled", told).doing("Binding"));
    }
    plan.guard(Scope::node_alloc(&node.name));
    plan
}

/// Tells pods why they wait, unless they say so already. Explained once per shape, as of the end of the turn.
fn tell(turn: &Turn<'_>, left: &[&Waiting], now: Timestamp) -> Vec<Plan> {
    let mut known = HashMap::<(&Shape, bool), String>::new();
    let mut told = Vec::new();
    for pod in left {
        let why = known
            .entry((&*pod.shape, pod.never_preempts))
            .or_insert_with(|| explain(&pod.shape, pod.never_preempts, &turn.nodes, &turn.taken));
        if let Some(conditions) = conditions(pod, why, now) {
            told.push((*pod, why.clone(), conditions));
        }
    }
    told.chunks(TOLD_MOST)
        .map(|chunk| {
            let mut plan = Plan::because("no node will do");
            for (pod, why, conditions) in chunk {
                plan.note(Note::warning(regarding(pod), "FailedScheduling", why).doing("Scheduling"));
                plan.merge_status(pod.key.clone(), pod.revision, json!({ "conditions": conditions }));
            }
            plan
        })
        .collect()
}

fn regarding(pod: &Waiting) -> Regarding {
    Regarding::pod(&pod.key, &pod.uid, pod.revision)
}

/// The pod's conditions with what is to be told; none when it is told already.
fn conditions(pod: &Waiting, why: &str, now: Timestamp) -> Option<Vec<Value>> {
    let known = pod.conditions.iter().find(|condition| condition["type"] == "PodScheduled");
    let known = known.filter(|known| known["status"] == "False");
    if known.is_some_and(|known| known["reason"] == "Unschedulable" && known["message"] == why) {
        return None;
    }
    let since = known.map_or_else(|| json!(stamp(now)), |known| known["lastTransitionTime"].clone());
    let condition = json!({
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why,
        "lastProbeTime": null, "lastTransitionTime": since,
    });
    let others = pod.conditions.iter().filter(|known| known["type"] != "PodScheduled").cloned();
    Some(others.chain([condition]).collect())
}
