//! A sequencer on a stage: inputs in, a transcript out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use rutter_schemas::{
    Actor, Commit, CommitHeader, Count, Event, Expect, Frame, Key, Meta, ObjectRef, Op, Outcome, Proposal,
    Revision, Scope, Uuid, state,
};

use crate::{Answer, Append, Deposed, Proof, Proving, Ready, Refused, Sequencer, Settings, Ticket};

/// A proposal to be, named by a letter or word that stands for its id.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) name: String,
    commit: Commit,
}

pub(super) fn commit(name: &str) -> Draft {
    let header = CommitHeader {
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()),
        base: Revision::NONE,
        incarnation: 0,
        actor: Actor { user: "test".into(), groups: vec![], via: "test".into() },
        cause: None,
        why: String::new(),
        traceparent: None,
        writer: "test/0".into(),
        expects: vec![],
        guards: vec![],
        counters: vec![],
    };
    Draft { name: name.to_owned(), commit: Commit { header, events: vec![] } }
}

impl Draft {
    pub(super) fn base(mut self, revision: u64) -> Draft {
        self.commit.header.base = Revision(revision);
        self
    }

    pub(super) fn incarnation(mut self, incarnation: u32) -> Draft {
        self.commit.header.incarnation = incarnation;
        self
    }

    pub(super) fn create(self, name: &str) -> Draft {
        self.write(name, Op::Create, "PodCreated", 0)
    }

    pub(super) fn update(self, name: &str, at: u64) -> Draft {
        self.write(name, Op::Update, "PodChanged", at)
    }

    pub(super) fn status(self, name: &str, at: u64) -> Draft {
        self.write(name, Op::Update, "PodStatusChanged", at)
    }

    pub(super) fn delete(self, name: &str, at: u64) -> Draft {
        self.write(name, Op::Delete, "PodDeleted", at)
    }

    /// Of the last write.
    pub(super) fn touching(mut self, scope: &str) -> Draft {
        self.commit.events.last_mut().expect("a write comes first").touches.push(Scope(scope.into()));
        self
    }

    pub(super) fn guarding(mut self, scope: &str) -> Draft {
        self.commit.header.guards.push(Scope(scope.into()));
        self
    }

    pub(super) fn counting(mut self, name: &str, delta: i64, max: u64) -> Draft {
        self.commit.header.counters.push(Count { name: name.into(), delta, max: Some(max) });
        self
    }

    pub(super) fn proposal(&self) -> Proposal {
        Proposal::from(&self.commit)
    }

    pub(super) fn id(&self) -> Uuid {
        self.commit.header.id
    }

    pub(super) fn header(&self) -> &CommitHeader {
        &self.commit.header
    }

    fn write(mut self, name: &str, op: Op, event_type: &str, prior: u64) -> Draft {
        let object = ObjectRef {
            version: "v1".into(),
            kind: "Pod".into(),
            resource: "pods".into(),
            namespace: "default".into(),
            name: name.into(),
            uid: name.into(),
            ..ObjectRef::default()
        };
        let pod = serde_json::json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}});
        self.commit.header.expects.push(Expect::from(prior));
        self.commit.events.push(Event {
            event_type: event_type.into(),
            op,
            object,
            prior: Revision(prior),
            meta: Meta::default(),
            touches: vec![],
            state: state::encode(&pod),
        });
        self
    }
}

pub(super) fn pod(name: &str) -> Key {
    Key::new("", "pods", "default", name)
}

/// A sequencer, and everything that was said to and by it.
pub(super) struct Stage {
    pub(super) sequencer: Sequencer,
    pub(super) now: Timestamp,
    transcript: String,
    names: BTreeMap<Ticket, String>,
    pub(super) append: Option<Append>,
    proof: Option<Proof>,
}

/// A standby that has replayed nothing yet.
pub(super) fn standby(proving: Proving) -> Stage {
    stage(Sequencer::new(Settings::new("ledger-a", proving)))
}

/// The active ledger of an empty log, its epoch frame acknowledged.
pub(super) fn active() -> Stage {
    active_with(Settings::new("ledger-a", Proving::Asked))
}

pub(super) fn active_with(settings: Settings) -> Stage {
    let mut stage = stage(Sequencer::new(settings)).take_over("seed").ack();
    stage.transcript.clear();
    stage
}

pub(super) fn stage(sequencer: Sequencer) -> Stage {
    Stage {
        sequencer,
        now: Timestamp::from_second(1_800_000_000).expect("in range"),
        transcript: String::new(),
        names: BTreeMap::new(),
        append: None,
        proof: None,
    }
}

impl Stage {
    pub(super) fn take_over(mut self, seed: &str) -> Stage {
        self.sequencer.take_over(Uuid::new_v5(&Uuid::NAMESPACE_OID, seed.as_bytes())).expect("it follows");
        self.said("take over")
    }

    pub(super) fn take_over_as(mut self, incarnation: u32) -> Stage {
        let seed = Uuid::new_v5(&Uuid::NAMESPACE_OID, b"anew");
        self.sequencer.take_over_as(seed, incarnation).expect("it follows");
        self.said(&format!("take over as incarnation {incarnation}"))
    }

    pub(super) fn propose(mut self, draft: &Draft) -> Stage {
        let taken = self.sequencer.propose(&draft.proposal());
        self.taken(&draft.name, taken)
    }

    /// Several proposals arrive before anything else happens.
    pub(super) fn propose_all(mut self, drafts: &[Draft]) -> Stage {
        for draft in drafts {
            match self.sequencer.propose(&draft.proposal()) {
                Ok(ticket) => drop(self.names.insert(ticket, draft.name.clone())),
                Err(refused) => writeln!(self.transcript, "  {}: {refused}", draft.name).expect("a string"),
            }
        }
        let names: Vec<_> = drafts.iter().map(|draft| draft.name.as_str()).collect();
        self.said(&format!("{} proposed", names.join(", ")))
    }

    pub(super) fn receive(mut self, name: &str, text: &str) -> Stage {
        let taken = self.sequencer.receive(Bytes::copy_from_slice(text.as_bytes()));
        self.taken(name, taken)
    }

    pub(super) fn ask(mut self, name: &str) -> Stage {
        let taken = self.sequencer.ask();
        self.taken(name, taken)
    }

    pub(super) fn ack(mut self) -> Stage {
        let append = self.append.clone().expect("a frame was handed out");
        self.sequencer.appended(append.frame, append.expected_last.expect("fenced") + 1);
        self.said("acknowledged")
    }

    /// An acknowledgement of an earlier frame comes late.
    pub(super) fn late_ack(mut self, append: &Append) -> Stage {
        self.sequencer.appended(append.frame, append.expected_last.expect("fenced") + 1);
        self.said("an earlier frame acknowledged")
    }

    pub(super) fn refuse(mut self) -> Stage {
        self.sequencer.refused(self.append.as_ref().expect("handed out").frame);
        self.said("refused")
    }

    pub(super) fn time_out(mut self) -> Stage {
        self.sequencer.timed_out(self.append.as_ref().expect("handed out").frame);
        self.said("no answer")
    }

    pub(super) fn own_stands(mut self) -> Stage {
        let append = self.append.clone().expect("handed out");
        let sequence = append.expected_last.expect("fenced") + 1;
        self.sequencer.stood(sequence, Some(&append.bytes));
        self.said(&format!("{sequence} holds its own frame"))
    }

    pub(super) fn another_stands(mut self, sequence: u64, bytes: &[u8]) -> Stage {
        self.sequencer.stood(sequence, Some(bytes));
        self.said(&format!("{sequence} holds another's frame"))
    }

    pub(super) fn nothing_stands(mut self, sequence: u64) -> Stage {
        self.sequencer.stood(sequence, None);
        self.said(&format!("{sequence} is empty"))
    }

    pub(super) fn proved(mut self, last: u64) -> Stage {
        let proof = self.proof.take().expect("a proof was asked for");
        self.sequencer.proved(proof, last);
        self.said(&format!("the stream ends at {last}"))
    }

    pub(super) fn frame(mut self, sequence: u64, bytes: &[u8]) -> Stage {
        let result = self.sequencer.frame(sequence, bytes);
        self.said(&match result {
            Ok(()) => format!("frame {sequence} goes by"),
            Err(error) => format!("frame {sequence} goes by: {error}"),
        })
    }

    pub(super) fn resign(mut self) -> Stage {
        self.sequencer.resign();
        self.said("resign")
    }

    pub(super) fn after_ms(mut self, ms: i64) -> Stage {
        self.now += SignedDuration::from_millis(ms);
        self.said(&format!("{ms} ms later"))
    }

    pub(super) fn room(mut self, room: crate::Room) -> Stage {
        let said = format!("room: {room:?}");
        self.sequencer.set_room(room);
        self.said(&said)
    }

    pub(super) fn note(mut self, text: &str) -> Stage {
        writeln!(self.transcript, "{text}").expect("a string");
        self
    }

    pub(super) fn bytes(&self) -> Bytes {
        self.append.as_ref().expect("a frame was handed out").bytes.clone()
    }

    pub(super) fn then(self, expected: &expect_test::Expect) -> Stage {
        expected.assert_eq(&self.transcript);
        Stage { transcript: String::new(), ..self }
    }

    fn taken(mut self, name: &str, taken: Result<Ticket, Refused>) -> Stage {
        match taken {
            Ok(ticket) => {
                self.names.insert(ticket, name.to_owned());
                self.said(name)
            }
            Err(refused) => self.said(&format!("{name}: {refused}")),
        }
    }

    /// Writes down an input and everything it leads to.
    fn said(mut self, input: &str) -> Stage {
        writeln!(self.transcript, "{input}").expect("a string");
        let ready = self.sequencer.ready(self.now);
        self.write_down(ready);
        self
    }

    fn write_down(&mut self, ready: Ready) {
        for (ticket, answer) in &ready.answers {
            let name = self.names.get(ticket).map_or("?", String::as_str);
            self.line(&format!("{name}: {}", tell(answer)));
        }
        if let Some(append) = ready.append {
            let line = describe(&append);
            self.line(&line);
            self.append = Some(append);
        }
        if let Some(sequence) = ready.read {
            self.line(&format!("read {sequence}"));
        }
        if let Some(proof) = ready.prove {
            self.line("ask the stream where it ends");
            self.proof = Some(proof);
        }
        if let Some(stepped_down) = ready.stepped_down {
            let unanswered: Vec<_> =
                stepped_down.unanswered.iter().map(|ticket| self.names[ticket].as_str()).collect();
            let why = match stepped_down.why {
                Deposed::Another { sequence } => format!("another stands at {sequence}"),
                Deposed::LogChanged { sequence } => format!("the log changed at {sequence}"),
                other => format!("{other:?}"),
            };
            let line = format!("steps down: {why}; unanswered: [{}]", unanswered.join(", "));
            self.line(&line);
        }
    }

    fn line(&mut self, line: &str) {
        writeln!(self.transcript, "  {line}").expect("a string");
    }
}

pub(super) fn tell(answer: &Answer) -> String {
    match answer {
        Answer::Outcome(Outcome::Committed { first, last }) => format!("committed r{first}..r{last}"),
        Answer::Outcome(Outcome::Rejected(rejection)) => format!("rejected: {rejection}"),
        Answer::Now(now) => format!("the log stands at r{} of incarnation {}", now.revision, now.incarnation),
    }
}

fn describe(append: &Append) -> String {
    let frame = Frame::decode(&append.bytes).expect("its own frame");
    let header = &frame.header;
    let again = if append.again { " again" } else { "" };
    let what = match header.events {
        0 => format!("nothing, next is r{}", header.first),
        _ => format!("r{}..r{}", header.first, header.last()),
    };
    let skipped = match header.skipped {
        Some((from, to)) => format!(", skipping r{from}..r{to}"),
        None => String::new(),
    };
    format!("append{again} frame {} of epoch {}: {what}{skipped}", header.number, header.epoch)
}
