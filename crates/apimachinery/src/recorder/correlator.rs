//! Which notes become Events of their own (client-go: `tools/record/events_cache.go`): the same note again is counted,
//! very many alike are told as one, and who has too much to say about one object is cut short.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Note, Recording, Regarding, Severity, Source, event, micro_time};
use crate::write::time;

/// From this many notes on that differ in their message only, they are told as one …
const ALIKE_MOST: usize = 10;
/// … if they come within this time.
const ALIKE_WITHIN: SignedDuration = SignedDuration::from_secs(600);
/// How many Events about one object may come at once,
const BURST: f64 = 25.0;
/// and how long it then takes until one more may.
const REFILL_SECONDS: f64 = 300.0;
/// What is remembered of notes and of objects; who was quiet longest is forgotten.
const REMEMBERED: usize = 4096;
/// Said before the message of what is told as one.
const COMBINED: &str = "(combined from similar events): ";

/// Remembers what one source has told.
#[derive(Clone, Debug)]
pub struct Correlator {
    source: Source,
    told: Bounded<Told, Entry>,
    alike: Bounded<Alike, Similar>,
    budgets: Bounded<Regarding, Budget>,
    /// In the last name that was made: no two are the same.
    stamp: i128,
}

/// What notes have in common that are one Event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    alike: Alike,
    /// Empty for what is told as one.
    message: String,
}

/// What notes have in common that differ in their message only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    regarding: Regarding,
    severity: Severity,
    reason: &'static str,
    action: &'static str,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    count: u64,
}

#[derive(Clone, Debug)]
struct Similar {
    messages: BTreeSet<String>,
    last: Timestamp,
}

#[derive(Clone, Debug)]
struct Budget {
    left: f64,
    at: Timestamp,
}

impl Correlator {
    pub fn new(source: Source) -> Correlator {
        Correlator { source, told: Bounded::new(), alike: Bounded::new(), budgets: Bounded::new(), stamp: 0 }
    }

    /// How a note is to be recorded; not at all if there were too many about its object.
    pub fn note(&mut self, note: &Note, now: Timestamp) -> Option<Recording> {
        let (key, message) = self.combined(note, now);
        let (source, regarding) = (&self.source, &note.regarding);
        let told = self.told.entry(&key, now, || Entry { name: String::new(), count: 0 });
        told.count += 1;
        let is_new = told.name.is_empty();
        if is_new {
            self.stamp = now.as_nanosecond().max(self.stamp + 1);
            told.name = format!("{}.{:x}", regarding.name, self.stamp);
        }
        let recording = match is_new {
            true => Recording::New(event(note, source, &message, &told.name, now)),
            false => Recording::Again {
                namespace: regarding.events_namespace().to_owned(),
                name: told.name.clone(),
                fields: again(note, &message, told.count, now),
            },
        };
        self.may_be_told(regarding, now).then_some(recording)
    }

    /// The Event that it turned out isn't there any more is begun anew by the next note like it.
    pub fn forget(&mut self, name: &str) {
        self.told.retain(|entry| entry.name != name);
    }

    /// What the note is counted under, and in which words.
    fn combined(&mut self, note: &Note, now: Timestamp) -> (Told, String) {
        let alike = Alike {
            regarding: anchor(&note.regarding),
            severity: note.severity,
            reason: note.reason,
            action: note.action,
        };
        let similar = self.alike.entry(&alike, now, || Similar { messages: BTreeSet::new(), last: now });
        if now.duration_since(similar.last) > ALIKE_WITHIN {
            similar.messages.clear();
        }
        similar.last = now;
        let is_known = similar.messages.contains(&note.message);
        if is_known || similar.messages.len() + 1 < ALIKE_MOST {
            similar.messages.insert(note.message.clone());
            return (Told { alike, message: note.message.clone() }, note.message.clone());
        }
        (Told { alike, message: String::new() }, format!("{COMBINED}{}", note.message))
    }

    /// Takes from what may be told about the object.
    fn may_be_told(&mut self, regarding: &Regarding, now: Timestamp) -> bool {
        let object = Regarding { field_path: String::new(), ..anchor(regarding) };
        let budget = self.budgets.entry(&object, now, || Budget { left: BURST, at: now });
        let passed = now.duration_since(budget.at).as_secs_f64().max(0.0);
        budget.left = (budget.left + passed / REFILL_SECONDS).min(BURST);
        budget.at = now;
        if budget.left < 1.0 {
            return false;
        }
        budget.left -= 1.0;
        true
    }
}

/// The object, whatever its revision.
fn anchor(regarding: &Regarding) -> Regarding {
    Regarding { resource_version: String::new(), ..regarding.clone() }
}

/// The fields of an Event that happened again.
fn again(note: &Note, message: &str, count: u64, now: Timestamp) -> Value {
    if note.action.is_empty() {
        return json!({ "count": count, "lastTimestamp": time(now), "message": message });
    }
    json!({ "series": { "count": count, "lastObservedTime": micro_time(now) }, "message": message })
}

/// A memory of so many things.
#[derive(Clone, Debug)]
struct Bounded<K, V> {
    kept: BTreeMap<K, (Timestamp, V)>,
    by_age: BTreeSet<(Timestamp, K)>,
}

impl<K: Ord + Clone, V> Bounded<K, V> {
    fn new() -> Bounded<K, V> {
        Bounded { kept: BTreeMap::new(), by_age: BTreeSet::new() }
    }

    fn entry(&mut self, key: &K, now: Timestamp, new: impl FnOnce() -> V) -> &mut V {
        match self.kept.get(key) {
            Some((at, _)) => {
                self.by_age.remove(&(*at, key.clone()));
            }
            None if self.kept.len() >= REMEMBERED => {
                if let Some((_, oldest)) = self.by_age.pop_first() {
                    self.kept.remove(&oldest);
                }
            }
            None => {}
        }
        self.by_age.insert((now, key.clone()));
        let (at, value) = self.kept.entry(key.clone()).or_insert_with(|| (now, new()));
        *at = now;
        value
    }

    fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.kept.retain(|_, (_, value)| keep(value));
        let kept = &self.kept;
        self.by_age.retain(|(_, key)| kept.contains_key(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("a time")
    }

    fn web() -> Regarding {
        Regarding {
            api_version: "v1".into(),
            kind: "Pod".into(),
            namespace: "default".into(),
            name: "web".into(),
            uid: "u".into(),
            resource_version: "7".into(),
            field_path: String::new(),
        }
    }

    fn correlator() -> Correlator {
        Correlator::new(Source { component: "kubelet".into(), host: "n1".into() })
    }

    fn back_off(message: &str) -> Note {
        Note::warning(web(), "BackOff", message)
    }

    #[test]
    fn a_note_becomes_an_event_as_client_go_writes_it() {
        let Some(Recording::New(event)) = correlator().note(&back_off("again"), at(0)) else {
            panic!("the first is new");
        };
        assert_eq!(
            event,
            json!({
                "apiVersion": "v1", "kind": "Event",
                "metadata": {"namespace": "default", "name": "web.17979cfe362a0000"},
                "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "web",
                    "uid": "u", "resourceVersion": "7"},
                "type": "Warning", "reason": "BackOff", "message": "again",
                "source": {"component": "kubelet", "host": "n1"},
                "reportingComponent": "kubelet", "reportingInstance": "n1",
                "firstTimestamp": "2023-11-14T22:13:20Z", "lastTimestamp": "2023-11-14T22:13:20Z", "count": 1,
            })
        );
    }

    #[test]
    fn with_an_action_it_is_in_the_newer_words_and_repeats_are_a_series() {
        let mut correlator =
            Correlator::new(Source { component: "default-scheduler".into(), host: String::new() });
        let note = Note::warning(web(), "FailedScheduling", "no room").doing("Scheduling");
        let Some(Recording::New(event)) = correlator.note(&note, at(0)) else { panic!("the first is new") };
        assert_eq!(event["eventTime"], "2023-11-14T22:13:20.000000Z");
        assert_eq!(event["action"], "Scheduling");
        assert!(event["count"].is_null() && event["firstTimestamp"].is_null() && event["source"].is_null());
        let Some(Recording::Again { fields, .. }) = correlator.note(&note, at(1)) else {
            panic!("the same again")
        };
        assert_eq!(fields["series"], json!({"count": 2, "lastObservedTime": "2023-11-14T22:13:21.000000Z"}));
    }

    #[test]
    fn the_same_again_is_counted_whatever_the_objects_revision() {
        let mut correlator = correlator();
        let Some(Recording::New(first)) = correlator.note(&back_off("again"), at(0)) else { panic!("new") };
        let later =
            Note { regarding: Regarding { resource_version: "8".into(), ..web() }, ..back_off("again") };
        let again = correlator.note(&later, at(5));
        let name = first["metadata"]["name"].as_str().expect("a name").to_owned();
        let fields = json!({"count": 2, "lastTimestamp": "2023-11-14T22:13:25Z", "message": "again"});
        assert_eq!(again, Some(Recording::Again { namespace: "default".into(), name: name.clone(), fields }));
        correlator.forget(&name);
        assert!(matches!(correlator.note(&back_off("again"), at(6)), Some(Recording::New(_))));
    }

    #[test]
    fn very_many_alike_are_told_as_one() {
        let mut correlator = correlator();
        let recordings: Vec<_> =
            (0..15).filter_map(|n| correlator.note(&back_off(&format!("attempt {n}")), at(n))).collect();
        let new = recordings.iter().filter(|recording| matches!(recording, Recording::New(_))).count();
        assert_eq!((recordings.len(), new), (15, 10));
        let Some(Recording::Again { fields, .. }) = recordings.last() else { panic!("counted") };
        assert_eq!(fields["message"], "(combined from similar events): attempt 14");
        assert_eq!(fields["count"], 6);
        let fresh = correlator.note(&back_off("attempt 99"), at(1_000));
        assert!(
            matches!(fresh, Some(Recording::New(_))),
            "after ten quiet minutes they are told apart again"
        );
    }

    #[test]
    fn who_has_too_much_to_say_about_an_object_is_cut_short() {
        let mut correlator = correlator();
        let told =
            |correlator: &mut Correlator, second| correlator.note(&back_off("again"), at(second)).is_some();
        assert_eq!((0..100).filter(|_| told(&mut correlator, 0)).count(), 25);
        assert!(!told(&mut correlator, 299));
        assert!(told(&mut correlator, 301) && !told(&mut correlator, 302));
        let other =
            Note::normal(Regarding { name: "other".into(), uid: "v".into(), ..web() }, "Started", "ok");
        assert!(correlator.note(&other, at(302)).is_some(), "others are not");
    }

    #[test]
    fn memory_has_a_bound() {
        let mut correlator = correlator();
        for n in 0..5_000 {
            let pod = Regarding { uid: format!("u{n}"), name: format!("web-{n}"), ..web() };
            correlator.note(&Note::normal(pod, "Started", "ok"), at(n));
        }
        assert_eq!(correlator.told.kept.len(), REMEMBERED);
        assert_eq!(correlator.told.by_age.len(), REMEMBERED);
    }
}
