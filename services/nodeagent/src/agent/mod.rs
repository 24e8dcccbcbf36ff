//! One node: takes in feeds, inputs and events, asks the core what to do, and has it done.

mod boot;
mod commands;
mod hooks;
mod recorder;
mod work;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rutter_log::feed::{Heard, Reader};
use rutter_nodeagent_core::feed;
use rutter_nodeagent_core::machine::Input;
use rutter_nodeagent_core::node::Node;
use rutter_nodeagent_core::objects::Objects;
use rutter_schemas::Key;
use rutter_schemas::protocol::node::{Feed, FeedSync};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::disk::{KeptFeed, Paths, save_feed};
use crate::link::{Incoming, Link};
use crate::runtime::{Happened, Instances, Runtime};

pub(crate) use boot::{Booted, boot, boot_sim};
pub(crate) use commands::Commands;
pub(crate) use recorder::{Notes, Recorder};
pub(crate) use work::Workshop;

/// A pod's uid and what happened to it.
pub(crate) type PodInput = (String, Input);

pub(crate) struct Agent {
    pub(crate) cfg: Arc<Config>,
    pub(crate) paths: Paths,
    pub(crate) runtime: Runtime,
    pub(crate) instances: Instances,
    pub(crate) workshop: Workshop,
    pub(crate) node: Node,
    pub(crate) feed: KeptFeed,
    pub(crate) own: Reader,
    pub(crate) shared: Reader,
    pub(crate) link: Link,
    pub(crate) inputs: mpsc::Receiver<PodInput>,
    pub(crate) happened: mpsc::Receiver<Happened>,
    /// Tells who looks at Services that something there has changed.
    pub(crate) services: watch::Sender<Arc<Objects>>,
    /// Answers questions about pods.
    pub(crate) questions: mpsc::Receiver<Question>,
    pub(crate) unsaved: bool,
    pub(crate) checked_for_unwanted: bool,
}

/// A look at the node and what it knows of the cluster.
type Look = Box<dyn FnOnce(&Node, &Objects) + Send>;

/// What a stream, a page or a statistic wants to know.
pub(crate) struct Question {
    pub(crate) look: Look,
}

/// The feed is written to the disk at most this often.
const SAVE_EVERY: Duration = Duration::from_secs(1);

impl Agent {
    /// Runs until `shutdown`. Pods run on.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let _end = self.workshop.end.clone().drop_guard();
        let mut save = tokio::time::interval(SAVE_EVERY);
        save.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.take_in_kept_feed();
        loop {
            self.round();
            let timer = self.sleep_until_timer();
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(incoming) = self.link.incoming.recv() => self.incoming(incoming),
                Some((uid, input)) = self.inputs.recv() => self.input(&uid, input),
                Some(happened) = self.happened.recv() => self.happened(happened).await,
                Some(question) = self.questions.recv() => (question.look)(&self.node, &self.feed.objects),
                () = timer => {}
                _ = save.tick(), if self.unsaved => self.save(),
            }
        }
        self.save();
    }

    /// What was kept counts until the gateway tells more.
    fn take_in_kept_feed(&mut self) {
        let keys: Vec<Key> = self.feed.objects.iter().map(|(key, _)| key.clone()).collect();
        if !keys.is_empty() {
            tracing::info!(objects = keys.len(), "going on with the feed kept on disk");
            self.changed(&keys);
        }
    }

    fn sleep_until_timer(&self) -> impl Future<Output = ()> + use<> {
        let left = self.node.next_timer().map(|at| at.duration_since(Timestamp::now()));
        async move {
            match left {
                Some(left) => tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await,
                None => std::future::pending().await,
            }
        }
    }

    fn round(&mut self) {
        // What is there already belongs to the same round: one status write tells it all.
        while let Ok((uid, input)) = self.inputs.try_recv() {
            self.input(&uid, input);
        }
        let round = self.node.round(&self.feed.objects, Timestamp::now());
        for work in round.work {
            self.workshop.start(work, self.node.facts());
        }
        for uid in round.gone {
            self.workshop.forget(&uid);
        }
    }

    fn input(&mut self, uid: &str, input: Input) {
        self.node.handle(uid, input, Timestamp::now());
    }

    fn incoming(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Connected => {
                self.ask_for(Feed::Own);
                if matches!(self.runtime, Runtime::Cri(_)) {
                    self.ask_for(Feed::Shared);
                }
            }
            Incoming::Live(message) => {
                let feed = message.feed;
                let heard = self.reader(feed).live(message);
                self.heard(feed, heard);
            }
            Incoming::Answer(message) => {
                let (feed, whole) = (message.feed, message.end);
                let heard = self.reader(feed).answer(message);
                self.heard(feed, heard);
                if feed == Feed::Own && whole {
                    self.remove_unwanted();
                }
            }
        }
    }

    fn heard(&mut self, feed: Feed, heard: Heard) {
        match heard {
            Heard::Nothing => {}
            Heard::Ask(sync) => self.ask(sync),
            Heard::Apply(messages) => {
                let keys = feed::take_in(feed, messages, &mut self.feed.objects);
                self.unsaved = true;
                self.feed.own = self.own.cursor();
                self.feed.shared = self.shared.cursor();
                self.changed(&keys);
            }
        }
    }

    fn reader(&mut self, feed: Feed) -> &mut Reader {
        match feed {
            Feed::Own => &mut self.own,
            Feed::Shared => &mut self.shared,
        }
    }

    fn ask_for(&mut self, feed: Feed) {
        let sync = self.reader(feed).ask();
        self.ask(sync);
    }

    fn ask(&mut self, sync: FeedSync) {
        let feed = sync.feed;
        if self.link.syncs.try_send(sync).is_err() {
            self.reader(feed).not_asked();
        }
    }

    fn changed(&mut self, keys: &[Key]) {
        self.node.changed(keys, &self.feed.objects, Timestamp::now());
        let is_of_net = |key: &Key| matches!(&*key.resource, "services" | "endpointslices" | "podcidrs");
        if keys.iter().any(is_of_net) {
            self.services.send_replace(Arc::new(self.feed.objects.clone()));
        }
        if keys.iter().any(|key| key.resource == "nodes") {
            self.workshop.node_changed(&self.feed.objects, &self.cfg);
        }
    }

    /// What the runtime has and the first whole feed didn't name is removed.
    fn remove_unwanted(&mut self) {
        if std::mem::replace(&mut self.checked_for_unwanted, true) {
            return;
        }
        for uid in self.node.unwanted().into_keys() {
            tracing::info!(uid, "a pod that is no longer wanted is removed");
            self.workshop.remove_stray(uid);
        }
    }

    async fn happened(&mut self, happened: Happened) {
        match happened {
            Happened::OutOfMemory { id } => self.instances.ran_out_of_memory(&id),
            Happened::Exited { id, code, at } => self.workshop.container_exited(id, code, at),
            Happened::Following => match self.runtime.list().await {
                Ok(found) => self.node.observe(&found, Timestamp::now()),
                Err(why) => tracing::warn!(why, "containerd doesn't tell what it has"),
            },
        }
    }

    fn save(&mut self) {
        if !std::mem::replace(&mut self.unsaved, false) || matches!(self.runtime, Runtime::Sim(_)) {
            return;
        }
        if let Err(why) = save_feed(&self.paths, &self.feed) {
            tracing::warn!(%why, "the feed could not be kept");
        }
    }
}
