//! Byte streams out of the node: logs, commands, connections into pods.

mod log;

pub(crate) use log::{end_of_log, last_words};

use tokio::sync::mpsc;

use crate::agent::Question;
use crate::disk::Paths;
use crate::runtime::Runtime;

/// Answers dials until cancelled.
pub(crate) async fn serve(
    data: async_nats::Client,
    node: String,
    paths: Paths,
    runtime: Runtime,
    questions: mpsc::Sender<Question>,
) {
    let _ = (data, node, paths, runtime, questions);
    std::future::pending::<()>().await;
}
