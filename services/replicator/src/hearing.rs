//! Listening to the heartbeats of nodes, and asking those that fall silent.
//!
//! Keeps true: what is told to the controllers is only what was heard while the connection stood. When it breaks,
//! silence no longer counts; when it stands again, everybody's patience begins anew.

use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, Subscriber};
use futures::StreamExt;
use jiff::Timestamp;
use rutter_controller::Machine;
use rutter_replicator_core::NodeLifecycle;
use rutter_replicator_core::node_leases::{AllNodes, NodeLeases};
use rutter_replicator_core::node_lifecycle::silence::{self, Hearing};
use rutter_runtime::controller::Outside;
use rutter_runtime::shutdown::Stage;
use rutter_schemas::subjects::node;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often silence is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// How long a node has to answer a direct question.
const ANSWER: Duration = Duration::from_secs(2);
/// Between attempts to subscribe.
const RETRY: Duration = Duration::from_secs(1);
/// News that a controller may be behind.
const NEWS: usize = 4096;

/// What was heard.
#[derive(Debug, Clone)]
enum News {
    /// We hear everybody from now on.
    Listening,
    /// We hear nobody.
    Deaf,
    Heard(String),
    Unanswered(String),
    /// Time to look for silence.
    Look,
}

/// Starts listening, for the controller of the life of nodes and for the one of their Leases.
pub(crate) fn listen(client: Client, stage: &Stage) -> (Silence, Leases) {
    let (to_silence, silence_news) = mpsc::channel(NEWS);
    let (to_leases, leases_news) = mpsc::channel(NEWS);
    let ears =
        Ears { client: client.clone(), listeners: vec![to_silence.clone(), to_leases], listening: false };
    let stop = stage.token();
    stage.spawn(async move {
        tokio::select! {
            () = ears.run() => {}
            () = stop.cancelled() => {}
        }
    });
    let silence = Silence {
        client,
        answers: to_silence,
        inbox: Inbox::of(silence_news),
        hearing: Hearing::default(),
        asked: Vec::new(),
        held_back: 0,
    };
    (silence, Leases { inbox: Inbox::of(leases_news) })
}

struct Ears {
    client: Client,
    listeners: Vec<mpsc::Sender<(Timestamp, News)>>,
    listening: bool,
}

impl Ears {
    async fn run(mut self) {
        loop {
            match self.client.subscribe(node::all("stats")).await {
                Ok(heartbeats) => self.hear(heartbeats).await,
                Err(error) => tracing::warn!(%error, "the heartbeats of nodes can't be heard"),
            }
            self.notice(false);
            sleep(RETRY).await;
        }
    }

    async fn hear(&mut self, mut heartbeats: Subscriber) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                heartbeat = heartbeats.next() => {
                    let Some(heartbeat) = heartbeat else { return };
                    if let Some(node) = node::name_in(&heartbeat.subject) {
                        self.tell(&News::Heard(node));
                    }
                }
                _ = look.tick() => {
                    self.notice(self.client.connection_state() == State::Connected);
                    self.tell(&News::Look);
                }
            }
        }
    }

    fn notice(&mut self, connected: bool) {
        if self.listening != connected {
            self.listening = connected;
            self.tell(if connected { &News::Listening } else { &News::Deaf });
        }
    }

    /// Never waits. When a controller misses news because it lags, what it then takes for silence is its own: so we
    /// count as not having listened, and patience begins anew.
    fn tell(&mut self, news: &News) {
        for listener in &self.listeners {
            if let Err(TrySendError::Full(_)) = listener.try_send((Timestamp::now(), news.clone())) {
                self.listening = false;
            }
        }
    }
}

/// News that wait to be told. Waiting for more may be cancelled at any time and loses nothing.
#[derive(Debug)]
struct Inbox {
    news: mpsc::Receiver<(Timestamp, News)>,
    first: Option<(Timestamp, News)>,
}

impl Inbox {
    fn of(news: mpsc::Receiver<(Timestamp, News)>) -> Inbox {
        Inbox { news, first: None }
    }

    async fn wait(&mut self) {
        if self.first.is_none() {
            match self.news.recv().await {
                Some(news) => self.first = Some(news),
                None => std::future::pending().await,
            }
        }
    }

    fn take(&mut self) -> Vec<(Timestamp, News)> {
        let mut all: Vec<_> = self.first.take().into_iter().collect();
        while let Ok(news) = self.news.try_recv() {
            all.push(news);
        }
        all
    }
}

/// What the controller of the life of nodes is told.
#[derive(Debug)]
pub(crate) struct Silence {
    client: Client,
    answers: mpsc::Sender<(Timestamp, News)>,
    inbox: Inbox,
    /// A copy of what was heard, for a view that begins again.
    hearing: Hearing,
    /// Who was asked and has not answered yet.
    asked: Vec<String>,
    /// How many silent nodes were held back when we last looked.
    held_back: usize,
}

impl Outside<NodeLifecycle> for Silence {
    async fn next(&mut self) {
        self.inbox.wait().await;
    }

    fn tell(&mut self, machine: &mut Machine<NodeLifecycle>) {
        let is_new = !machine.view_mut().hearing_mut().is_listening();
        let news = self.inbox.take();
        for (at, news) in &news {
            hear(&mut self.hearing, *at, news);
            hear(machine.view_mut().hearing_mut(), *at, news);
        }
        if is_new {
            *machine.view_mut().hearing_mut() = self.hearing.clone();
        }
        for (_, news) in news {
            self.answer(machine, news, is_new);
        }
    }
}

fn hear(hearing: &mut Hearing, at: Timestamp, news: &News) {
    match news {
        News::Listening => hearing.listens(at),
        News::Deaf => hearing.deaf(),
        News::Heard(node) => hearing.heard(node, at),
        News::Unanswered(node) => hearing.unanswered(node, at),
        News::Look => {}
    }
}

impl Silence {
    fn answer(&mut self, machine: &mut Machine<NodeLifecycle>, news: News, is_new: bool) {
        match news {
            News::Listening | News::Deaf => wake_all(machine),
            News::Unanswered(node) => {
                self.asked.retain(|asked| *asked != node);
                machine.wake(rutter_schemas::Key::new("", "nodes", "", &node));
            }
            News::Heard(node) => self.asked.retain(|asked| *asked != node),
            News::Look => {
                if is_new {
                    wake_all(machine);
                }
                self.say_who_is_held_back(silence::held_back(machine.view(), Timestamp::now()));
                self.ask(silence::to_ask(machine.view(), Timestamp::now()));
            }
        }
    }

    fn say_who_is_held_back(&mut self, nodes: usize) {
        if nodes > self.held_back {
            tracing::warn!(
                nodes,
                "silent, but not given up: more than half of the nodes are, so the fault is likely ours"
            );
        }
        self.held_back = nodes;
    }

    /// Asks nodes directly. What comes of it is news like any other.
    fn ask(&mut self, nodes: Vec<String>) {
        for name in nodes {
            if self.asked.contains(&name) {
                continue;
            }
            self.asked.push(name.clone());
            let (client, answers) = (self.client.clone(), self.answers.clone());
            tokio::spawn(async move {
                let question = async_nats::Request::new().timeout(Some(ANSWER));
                let answer = client.send_request(node::ping(&name), question).await;
                let news = if answer.is_ok() { News::Heard(name) } else { News::Unanswered(name) };
                // A controller that has ended needs no answer.
                let _ = answers.send((Timestamp::now(), news)).await;
            });
        }
    }
}

fn wake_all(machine: &mut Machine<NodeLifecycle>) {
    for node in silence::to_wake(machine.view()) {
        machine.wake(node);
    }
}

/// What the controller of the Leases of nodes is told.
#[derive(Debug)]
pub(crate) struct Leases {
    inbox: Inbox,
}

impl Outside<NodeLeases> for Leases {
    async fn next(&mut self) {
        self.inbox.wait().await;
    }

    fn tell(&mut self, machine: &mut Machine<NodeLeases>) {
        for (at, news) in self.inbox.take() {
            if let News::Heard(node) = news {
                machine.view_mut().heard(&node, at);
            }
        }
        if machine.wake_at().is_none() {
            machine.wake(AllNodes);
        }
    }
}
