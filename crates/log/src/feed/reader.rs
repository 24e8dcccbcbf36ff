//! The node's side: puts the steps of one feed in order, drops repeats, notices gaps.
//!
//! ```text
//!             a gap, or the start                    the answer's end
//!   Following ───────────────────▶ Syncing (parts) ──────────────────▶ Following
//!      ▲  │ next step, repeat           │ a part is missing
//!      └──┘                             └──▶ asks again
//! ```

use rutter_schemas::Revision;
use rutter_schemas::protocol::node::{Feed, FeedMessage, FeedSync};

/// Live steps kept while an answer is under way. More than that are a gap again.
const KEPT_STEPS: usize = 256;

/// What to do about a message.
#[derive(Debug)]
pub enum Heard {
    /// Apply these in order, all together. The first may be a snapshot.
    Apply(Vec<FeedMessage>),
    /// Nothing: known already, or more has to come first.
    Nothing,
    /// Ask a gateway, and offer the parts of its answer to [`Reader::answer`].
    Ask(FeedSync),
}

/// Reads one feed.
#[derive(Debug)]
pub struct Reader {
    feed: Feed,
    cursor: Option<Revision>,
    syncing: bool,
    parts: Vec<FeedMessage>,
    kept: Vec<FeedMessage>,
}

impl Reader {
    /// `cursor`: where the feed that was kept on disk stands, if there is one.
    pub fn new(feed: Feed, cursor: Option<Revision>) -> Reader {
        Reader { feed, cursor, syncing: false, parts: Vec::new(), kept: Vec::new() }
    }

    pub fn cursor(&self) -> Option<Revision> {
        self.cursor
    }

    /// Asks for what was missed: at the start, after a reconnect, and when no answer to the last question came in time.
    pub fn ask(&mut self) -> FeedSync {
        self.syncing = true;
        self.parts.clear();
        FeedSync { feed: self.feed, cursor: self.cursor }
    }

    /// The question of [`Reader::ask`] could not be sent: the next step asks again.
    pub fn not_asked(&mut self) {
        self.syncing = false;
        self.kept.clear();
    }

    /// A live step.
    pub fn live(&mut self, message: FeedMessage) -> Heard {
        if self.syncing {
            if self.kept.len() < KEPT_STEPS {
                self.kept.push(message);
            }
            return Heard::Nothing;
        }
        match self.place(&message) {
            Place::Behind => Heard::Nothing,
            Place::Ahead => Heard::Ask(self.ask()),
            Place::Next => {
                self.cursor = Some(message.revision);
                Heard::Apply(vec![message])
            }
        }
    }

    /// A part of the answer to the last question.
    pub fn answer(&mut self, part: FeedMessage) -> Heard {
        if !self.syncing {
            return Heard::Nothing;
        }
        let in_order = part.part as usize == self.parts.len()
            && self.parts.first().is_none_or(|first| first.revision == part.revision);
        if !in_order {
            return Heard::Ask(self.ask());
        }
        let end = part.end;
        self.parts.push(part);
        if end { self.finish() } else { Heard::Nothing }
    }

    /// The answer is whole. A snapshot is taken wherever it stands: the log may have been made anew.
    fn finish(&mut self) -> Heard {
        let mut apply = std::mem::take(&mut self.parts);
        let first = apply.first().expect("an answer's end is one of its parts");
        if !first.snapshot && self.cursor.is_none_or(|cursor| first.prior > cursor) {
            return Heard::Ask(self.ask());
        }
        self.syncing = false;
        if first.snapshot || self.cursor.is_none_or(|cursor| first.revision > cursor) {
            self.cursor = Some(first.revision);
        } else {
            apply.clear();
        }
        for message in std::mem::take(&mut self.kept) {
            match self.place(&message) {
                Place::Behind => {}
                Place::Next => {
                    self.cursor = Some(message.revision);
                    apply.push(message);
                }
                Place::Ahead => break,
            }
        }
        if apply.is_empty() { Heard::Nothing } else { Heard::Apply(apply) }
    }

    fn place(&self, message: &FeedMessage) -> Place {
        match self.cursor {
            Some(cursor) if message.revision <= cursor => Place::Behind,
            Some(cursor) if message.prior <= cursor => Place::Next,
            _ => Place::Ahead,
        }
    }
}

enum Place {
    Behind,
    Next,
    Ahead,
}
