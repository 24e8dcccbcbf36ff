//! Byte streams out of the node: logs, commands, connections into pods (`rutter_schemas::protocol::dial`).
//!
//! Each stream has a window in both directions, so one that isn't read holds back itself and nobody else. A stream
//! that breaks its numbers or its window, or whose other side is silent, ends alone.

mod attach;
mod connect;
mod exec;
mod flow;
mod log;
mod logs;
mod upgrade;

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use rutter_cri::runtime::AttachRequest;
use rutter_nodeagent_core::node::Node;
use rutter_nodeagent_core::objects::Objects;
use rutter_schemas::protocol::dial::{CHUNK, Dial, DialAnswer, DialTarget, LogOptions, PodRef};
use rutter_schemas::subjects;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::agent::Question;
use crate::disk::Paths;
use crate::node;
use crate::page::{self, Pages};
use crate::runtime::{Cri, Runtime};

pub(crate) use log::{end_of_log, last_words};

use flow::Flow;

/// Streams open at one time; more are refused.
const STREAMS_MAX: usize = 512;

/// What every stream may use.
#[derive(Clone)]
pub(crate) struct Streams {
    data: async_nats::Client,
    node: Arc<str>,
    paths: Arc<Paths>,
    runtime: Runtime,
    questions: mpsc::Sender<Question>,
    pages: Arc<Pages>,
    open: Arc<tokio::sync::Semaphore>,
}

/// Answers dials until cancelled.
pub(crate) async fn serve(
    data: async_nats::Client,
    paths: Paths,
    runtime: Runtime,
    questions: mpsc::Sender<Question>,
    pages: Pages,
) {
    let streams = Streams {
        data,
        node: pages.cfg.node_name.as_str().into(),
        paths: Arc::new(paths),
        runtime,
        questions,
        pages: Arc::new(pages),
        open: Arc::new(tokio::sync::Semaphore::new(STREAMS_MAX)),
    };
    let mut dials = match streams.data.subscribe(subjects::node::dial(&streams.node)).await {
        Ok(dials) => dials,
        Err(why) => return tracing::error!(%why, "nobody can dial into this node"),
    };
    while let Some(message) = dials.next().await {
        let Some(reply) = message.reply else { continue };
        match serde_json::from_slice::<Dial>(&message.payload) {
            Ok(dial) => drop(tokio::spawn(streams.clone().answer(dial, reply.to_string()))),
            Err(why) => tracing::warn!(%why, "not a dial"),
        }
    }
}

/// Why there is no stream: the code and the message of a `metav1.Status`.
#[derive(Debug)]
pub(crate) struct Refused {
    code: u16,
    message: String,
}

impl Refused {
    pub(crate) fn not_found(message: impl Into<String>) -> Refused {
        Refused { code: 404, message: message.into() }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Refused {
        Refused { code: 400, message: message.into() }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Refused {
        Refused { code: 500, message: message.into() }
    }

    pub(crate) fn words(&self) -> &str {
        &self.message
    }

    fn status(&self) -> Value {
        let reason = match self.code {
            400 => "BadRequest",
            404 => "NotFound",
            429 => "TooManyRequests",
            _ => "InternalError",
        };
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": reason, "code": self.code,
        })
    }
}

/// A stream that is ready to flow.
type Ready = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl Streams {
    async fn answer(self, dial: Dial, down: String) {
        let refuse = async |refused: Refused| {
            self.tell(&down, &DialAnswer::Refused { status: refused.status() }).await
        };
        let Ok(_permit) = self.open.clone().try_acquire_owned() else {
            return refuse(Refused { code: 429, message: "the node has too many open streams".into() }).await;
        };
        let up = subjects::node::data(&self.node, &dial.id, "up");
        let flow = match Flow::open(self.data.clone(), up, down.clone()).await {
            Ok(flow) => flow,
            Err(why) => return refuse(Refused::failed(why.to_string())).await,
        };
        let answered = flow.answered.clone();
        match self.prepare(dial.target, flow).await {
            Err(refused) => refuse(refused).await,
            Ok(ready) => {
                self.tell(&down, &DialAnswer::Open).await;
                answered.cancel();
                ready.await;
            }
        }
    }

    async fn tell(&self, subject: &str, answer: &DialAnswer) {
        let text = serde_json::to_vec(answer).expect("plain data");
        let _ = self.data.publish(subject.to_owned(), text.into()).await;
    }

    /// Everything that can be refused happens here, before the answer.
    async fn prepare(&self, target: DialTarget, flow: Flow) -> Result<Ready, Refused> {
        match target {
            DialTarget::Logs { pod, container, options } => {
                let pieces = self.log(pod, container, options).await?;
                Ok(Box::pin(logs::flow(pieces, flow)))
            }
            DialTarget::Exec { pod, container, command, stdin, stdout, stderr, tty } => {
                let id = self.running(&pod, &container).await?;
                let wanted = exec::Wanted { id, command, stdin, stdout, stderr: stderr && !tty, tty };
                let session = exec::start(self.cri()?, &self.paths, wanted).await.map_err(Refused::failed)?;
                Ok(Box::pin(session.flow(flow)))
            }
            DialTarget::Attach { pod, container, stdin, stdout, stderr, tty } => {
                let id = self.running(&pod, &container).await?;
                let wanted = AttachRequest { container_id: id, stdin, tty, stdout, stderr: stderr && !tty };
                let session = attach::open(self.cri()?, wanted).await.map_err(Refused::failed)?;
                Ok(Box::pin(session.flow(flow)))
            }
            DialTarget::PortForward { pod, port } => {
                let sandbox = self.sandbox(&pod).await?;
                let stream =
                    connect::inside(self.cri()?, &sandbox.id, port).await.map_err(Refused::failed)?;
                Ok(Box::pin(connect::flow(stream.into_split(), flow)))
            }
            DialTarget::Connect { pod, port } => {
                let sandbox = self.sandbox(&pod).await?;
                let stream = connect::outside(sandbox.address, port).await.map_err(Refused::failed)?;
                Ok(Box::pin(connect::flow(stream.into_split(), flow)))
            }
            DialTarget::Host { port } => {
                let own = node::facts::node_ip(&self.pages.cfg);
                let stream = connect::outside(own, port).await.map_err(Refused::failed)?;
                Ok(Box::pin(connect::flow(stream.into_split(), flow)))
            }
            DialTarget::Pages => {
                let (near, far) = tokio::io::duplex(CHUNK);
                let serving = page::serve(far, self.pages.clone(), self.clone());
                let carrying = connect::flow(tokio::io::split(near), flow);
                Ok(Box::pin(async move {
                    tokio::join!(serving, carrying);
                }))
            }
        }
    }

    fn cri(&self) -> Result<&Cri, Refused> {
        match &self.runtime {
            Runtime::Cri(cri) => Ok(cri),
            Runtime::Sim(_) => Err(Refused::bad("a simulated node has no containers to open a stream to")),
        }
    }

    /// Asks the agent's loop about its pods.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Node) -> T + Send + 'static,
    ) -> Result<T, Refused> {
        self.know(|node, _| look(node)).await
    }

    /// And about what the feeds brought.
    pub(crate) async fn know<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Node, &Objects) -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let (answer, wait) = oneshot::channel();
        let look = Box::new(move |node: &Node, objects: &Objects| {
            let _ = answer.send(look(node, objects));
        });
        let gone = || Refused::failed("the node agent is ending");
        self.questions.send(Question { look }).await.map_err(|_| gone())?;
        wait.await.map_err(|_| gone())
    }

    async fn running(&self, pod: &PodRef, container: &str) -> Result<String, Refused> {
        let (of, name) = (pod.clone(), container.to_owned());
        let found =
            self.look(move |node| find(node, &of)?.running_container(&name).map(str::to_owned)).await?;
        found.ok_or_else(|| {
            Refused::bad(format!("unable to upgrade connection: container not found (\"{container}\")"))
        })
    }

    async fn sandbox(&self, pod: &PodRef) -> Result<SandboxOf, Refused> {
        let of = pod.clone();
        let found = self.look(move |node| {
            let facts = find(node, &of)?.sandbox()?;
            let address = facts.ips.first().or(node.facts().host_ips.first())?;
            Some(SandboxOf { id: facts.id.clone(), address: *address })
        });
        found.await?.ok_or_else(|| Refused::not_found(format!("pod {:?} has no running sandbox", pod.name)))
    }

    /// A container's log, piece by piece.
    ///
    /// # Errors
    /// The container never ran, or not before.
    pub(crate) async fn log(
        &self,
        pod: PodRef,
        container: String,
        options: LogOptions,
    ) -> Result<impl Stream<Item = Bytes> + Send + use<>, Refused> {
        let source = self.log_source(&pod, &container, options.previous).await?;
        Ok(logs::pieces(source, options, self.clone(), pod, container))
    }

    async fn log_source(
        &self,
        pod: &PodRef,
        container: &str,
        previous: bool,
    ) -> Result<logs::Source, Refused> {
        let (of, name) = (pod.clone(), container.to_owned());
        let found = self.look(move |node| {
            let machine = find(node, &of)?;
            let (attempt, exists) = machine.instances(&name)?;
            Some((machine.pod().metadata.uid.clone(), attempt, exists))
        });
        let Some((uid, attempt, exists)) = found.await? else {
            return Err(Refused::not_found(format!(
                "pod {:?} has no container {container:?} here",
                pod.name
            )));
        };
        let waiting = || {
            let message = format!(
                "container \"{container}\" in pod \"{}\" is waiting to start: ContainerCreating",
                pod.name
            );
            Refused::bad(message)
        };
        let none_before = || {
            Refused::bad(format!(
                "previous terminated container \"{container}\" in pod \"{}\" not found",
                pod.name
            ))
        };
        let attempt = match previous {
            false if exists => attempt,
            false => attempt.checked_sub(1).ok_or_else(waiting)?,
            true => attempt.checked_sub(1).ok_or_else(none_before)?,
        };
        Ok(logs::Source { path: self.paths.log(&uid, container, attempt), attempt })
    }

    /// Whether this instance still runs.
    pub(crate) async fn is_running(&self, pod: &PodRef, container: &str, attempt: u32) -> bool {
        let (of, name) = (pod.clone(), container.to_owned());
        let look = self.look(move |node| {
            let machine = find(node, &of)?;
            let runs = machine.running_container(&name).is_some();
            Some(runs && machine.instances(&name)?.0 == attempt)
        });
        matches!(look.await, Ok(Some(true)))
    }
}

struct SandboxOf {
    id: String,
    address: std::net::IpAddr,
}

fn find<'a>(node: &'a Node, pod: &PodRef) -> Option<&'a rutter_nodeagent_core::machine::PodMachine> {
    if !pod.uid.is_empty() {
        return node.pod(&pod.uid);
    }
    node.pod_named(&pod.namespace, &pod.name)
}
