//! What comes from outside the log: statistics of nodes, and questions about them. Every copy answers; the asker
//! takes the first answer.

use async_nats::{Client, Message, SubscribeError, Subscriber};
use futures::StreamExt;
use jiff::Timestamp;
use rutter_autoscaler_core::Autoscaler;
use rutter_controller::Machine;
use rutter_runtime::controller::Outside;
use rutter_schemas::protocol::node::NodeStats;
use rutter_schemas::subjects::{self, node};

pub(crate) struct Ears {
    client: Client,
    statistics: Subscriber,
    questions: Subscriber,
    /// What came in and was not yet told.
    news: Vec<News>,
}

enum News {
    Statistics(Message, Timestamp),
    Question(Message),
}

impl Ears {
    pub(crate) async fn open(client: Client) -> Result<Ears, SubscribeError> {
        let statistics = client.subscribe(node::all("stats")).await?;
        let questions = client.subscribe(subjects::TOP).await?;
        Ok(Ears { client, statistics, questions, news: Vec::new() })
    }

    fn answer(&self, machine: &Machine<Autoscaler>, question: Message) {
        let Some(reply) = question.reply else { return };
        let top = machine.view().top(Timestamp::now());
        let text = serde_json::to_vec(&top).expect("plain data can be written as JSON");
        let client = self.client.clone();
        tokio::spawn(async move {
            if let Err(error) = client.publish(reply, text.into()).await {
                tracing::debug!(%error, "an answer was not sent");
            }
        });
    }
}

impl Outside<Autoscaler> for Ears {
    async fn next(&mut self) {
        if !self.news.is_empty() {
            return;
        }
        let news = tokio::select! {
            Some(message) = self.statistics.next() => News::Statistics(message, Timestamp::now()),
            Some(message) = self.questions.next() => News::Question(message),
            else => std::future::pending().await,
        };
        self.news.push(news);
    }

    fn tell(&mut self, machine: &mut Machine<Autoscaler>) {
        for news in std::mem::take(&mut self.news) {
            match news {
                News::Statistics(message, at) => hear(machine, &message, at),
                News::Question(message) => self.answer(machine, message),
            }
        }
    }
}

/// The subject, not the message, says which node speaks: the broker's permissions have proved it.
fn hear(machine: &mut Machine<Autoscaler>, message: &Message, at: Timestamp) {
    let Some(node) = node::name_in(&message.subject) else { return };
    match serde_json::from_slice::<NodeStats>(&message.payload) {
        Ok(stats) => machine.view_mut().heard(&node, &stats, at),
        Err(error) => tracing::debug!(node, %error, "statistics that can't be read"),
    }
}
