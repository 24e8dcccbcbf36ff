//! The trace of a run, written to be read: one line for each thing that an operator would tell.
//!
//! A run that nobody reads writes nothing, but draws the same numbers: the story never changes what happens.

use std::fmt::{Display, Write};

use rutter_schemas::Op;

use crate::stream::Entry;
use crate::time::Time;
use crate::world::World;

#[derive(Debug, Default)]
pub struct Story {
    text: Option<String>,
}

impl Story {
    pub fn told() -> Story {
        Story { text: Some(String::new()) }
    }

    pub fn untold() -> Story {
        Story { text: None }
    }

    /// `line` is only made when someone reads.
    pub fn line<L: Display>(&mut self, at: Time, who: impl Display, line: impl FnOnce() -> L) {
        if let Some(text) = &mut self.text {
            let _ = writeln!(text, "{at:>9} {:<14} {}", who.to_string(), line());
        }
    }

    pub fn heading(&mut self, line: impl Display) {
        if let Some(text) = &mut self.text {
            let _ = writeln!(text, "{line}");
        }
    }

    pub fn into_text(self) -> String {
        self.text.unwrap_or_default()
    }
}

impl World {
    /// A frame that stands, commit by commit.
    pub(crate) fn tell_frame(&mut self, entry: &Entry) {
        let header = &entry.frame.header;
        if header.commits == 0 {
            let what =
                if header.epoch > self.laws.log.epoch { "opens epoch" } else { "proves that it leads epoch" };
            let line = || format!("{what} {}, frame {}", header.epoch, header.number);
            return self.story.line(self.now, &header.ledger, line);
        }
        for commit in &entry.frame.commits {
            for (revision, event) in commit.numbered() {
                let by = &commit.header.actor.user;
                self.story.line(self.now, by, || {
                    let cause =
                        commit.header.cause.map(|cause| format!(" because r{cause}")).unwrap_or_default();
                    format!(
                        "{} {}   r{revision}{cause}   {}",
                        sign(event.op),
                        event.object.key(),
                        commit.header.why
                    )
                });
            }
        }
    }
}

fn sign(op: Op) -> char {
    match op {
        Op::Create => '+',
        Op::Update => '~',
        Op::Delete => '-',
    }
}
