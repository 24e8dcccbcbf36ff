//! Questions over the network, as kubelet asks them.

mod grpc;
mod http;

use std::time::Duration;

use rutter_nodeagent_core::machine::ProbeTiming;
use tokio::net::TcpStream;
use tokio::time::Instant;

pub(crate) use grpc::grpc;
pub(crate) use http::http;

/// Whether something listens.
pub(crate) async fn tcp(host: &str, port: u16) -> Result<(), String> {
    TcpStream::connect((host, port)).await.map(drop).map_err(|why| format!("dial tcp {host}:{port}: {why}"))
}

const EARLY_FIRST: Duration = Duration::from_millis(50);

/// When the next question is due: after the initial delay, then each period; a slow answer delays, never piles up.
pub(crate) struct Schedule {
    next: Instant,
    period: Duration,
}

impl Schedule {
    pub(crate) fn new(timing: ProbeTiming) -> Schedule {
        let next = Instant::now() + Duration::from_secs(timing.initial_delay_secs);
        Schedule { next, period: Duration::from_secs(timing.period_secs) }
    }

    /// Before the next question is due: the moments to ask again what has just been answered badly for the first time.
    /// A server that needs a moment to listen is then ready in that moment and not a period later.
    pub(crate) async fn ask_early<F: Future<Output = Result<(), String>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> bool {
        let mut pause = EARLY_FIRST;
        while Instant::now() + pause < self.next {
            tokio::time::sleep(pause).await;
            if ask().await.is_ok() {
                return true;
            }
            pause *= 2;
        }
        false
    }

    pub(crate) async fn next(&mut self) {
        tokio::time::sleep_until(self.next).await;
        self.next = (self.next + self.period).max(Instant::now());
    }
}
