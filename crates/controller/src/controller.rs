//! What a controller is: three functions over a view.

use std::fmt::{Debug, Display};

use jiff::{SignedDuration, Timestamp};

use crate::{Fact, Plan, Reads, Refusal};

/// A controller, as three pure functions. It holds nothing itself: all it knows is in its view.
///
/// Laws, checked by every fixture of [`crate::given`]: the same view and key and time give the same plans; once a
/// plan's commit is in the view, nothing remains to be done; a view rebuilt from the facts equals the view kept.
pub trait Controller {
    /// What the controller looks at all day: small typed facts with the indexes its decisions read.
    type View: Default + Debug + PartialEq + Send + Sync + 'static;
    /// What it reconciles: usually the key of an object.
    type Key: Ord + Clone + Debug + Display + Send + Sync + 'static;

    /// The actor under which its commits are recorded, such as `replicaset-controller`.
    const NAME: &'static str;

    /// Whether facts about this resource are of any interest. The others need not be fed to it, and need not be
    /// in the snapshot it starts from.
    fn follows(group: &str, resource: &str) -> bool;

    /// Whether what commits count is of interest as well ([`Fact::count`]).
    fn counts() -> bool {
        false
    }

    /// Folds a fact into the view. It never fails and reads no clock. Facts of one object come in the order of
    /// their revisions; a snapshot's may come in any order.
    fn apply(view: &mut Self::View, fact: &Fact);

    /// Who should look again because of a fact, asked just *before* it is applied: the view says what was, the
    /// fact what is, so that a label that goes away wakes its old owner too. It carries no work, and may be too
    /// many; never too few.
    fn wakes(view: &Self::View, fact: &Fact) -> Vec<Self::Key>;

    /// What to do now, decided from the view alone. Each plan is a commit of its own, whose fate does not bind the
    /// others; almost every controller answers exactly one. A plan without intents says why nothing is done.
    fn reconcile(view: &Self::View, key: &Self::Key, now: Timestamp) -> Vec<Plan>;

    /// How long a key rests once a plan of it was carried out. Who would else write at every frame, because what it counts
    /// changes with every frame, gathers what happens meanwhile.
    fn rest() -> SignedDuration {
        SignedDuration::ZERO
    }

    /// The rules (admission, a quota) refused one of a key's plans. Who takes note of that in its view, as of something
    /// that comes from outside the log, and says itself when to look again, answers so; the others wait for longer and
    /// longer.
    fn refused(_view: &mut Self::View, _key: &Self::Key, _refusal: &Refusal, _now: Timestamp) -> bool {
        false
    }

    /// The counter of rows that reconciling has read.
    fn reads(view: &Self::View) -> &Reads;
}
