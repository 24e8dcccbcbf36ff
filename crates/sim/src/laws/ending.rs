//! What has to be so when everything has come to rest.

use crate::model::Model;
use crate::world::World;

impl World {
    /// Laws 1, 3 and 6 at the end of a run.
    pub(crate) fn judge_the_end(&mut self) {
        self.judge_views();
        self.judge_told();
    }

    /// Law 1: every projection and every view is what the whole log makes.
    fn judge_views(&mut self) {
        let mut rebuilt = Model::default();
        let mut log = Vec::new();
        for (_, entry) in self.stream.committed() {
            rebuilt.apply(&entry.facts, entry.frame.header.last(), false);
            log.extend(entry.facts.iter().cloned());
        }
        let mut wrong = Vec::new();
        for process in &self.processes {
            if let Some(difference) = process.model.difference(&rebuilt) {
                wrong.push(format!("in {}, {difference}", process.name));
            }
            for member in process.crew.iter().filter(|member| !member.equals_rebuilt(&log, rebuilt.revision)) {
                wrong.push(format!("the view of {} in {} differs", member.name(), process.name));
            }
        }
        if let Some(what) = wrong.into_iter().next() {
            self.laws.break_law(1, self.now, what);
        }
    }

    /// Law 6: what anyone was told is in the log, as told.
    fn judge_told(&mut self) {
        let laws = &self.laws;
        let lost = laws.told().find(|(id, told)| laws.log.commit(*id) != Some(*told));
        if let Some((_, (first, _))) = lost {
            self.laws.break_law(6, self.now, format!("the commit acknowledged as r{first} is not in the log"));
        }
    }
}
