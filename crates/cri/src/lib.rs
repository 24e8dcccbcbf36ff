//! Clients of the Container Runtime Interface v1 and of containerd's event stream.
//!
//! The messages are generated (see `generator/`) and committed; nothing but the calls the node agent makes is there.
//! [`connect`] is all that is ours: gRPC over a unix socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used, unreachable_pub, missing_docs)]
#[path = "generated"]
mod generated {
    #[path = "containerd.services.events.v1.rs"]
    pub mod events_v1;
    #[path = "runtime.v1.rs"]
    pub mod runtime_v1;
}

/// The Container Runtime Interface v1.
pub mod runtime {
    pub use super::generated::runtime_v1::image_service_client::ImageServiceClient;
    pub use super::generated::runtime_v1::runtime_service_client::RuntimeServiceClient;
    pub use super::generated::runtime_v1::*;
}

/// containerd's events.
pub mod events {
    pub use super::generated::events_v1::events_client::EventsClient;
    pub use super::generated::events_v1::*;
}

pub use tonic::{Code, Status};

/// Both services answer lists of everything; the limit is kubelet's.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// A connection to the socket at `path`, made at first use and again whenever it broke.
pub fn connect(path: &Path) -> Channel {
    let path = path.to_owned();
    Endpoint::from_static("http://containerd.invalid")
        .connect_timeout(Duration::from_secs(5))
        .connect_with_connector_lazy(tower::service_fn(move |_| open(path.clone())))
}

async fn open(path: PathBuf) -> std::io::Result<TokioIo<UnixStream>> {
    UnixStream::connect(path).await.map(TokioIo::new)
}

/// All three clients over one connection.
#[derive(Clone, Debug)]
pub struct Containerd {
    pub runtime: runtime::RuntimeServiceClient<Channel>,
    pub images: runtime::ImageServiceClient<Channel>,
    pub events: events::EventsClient<Channel>,
}

impl Containerd {
    /// Talks to the containerd that listens at `socket`; connects at first use.
    pub fn at(socket: &Path) -> Containerd {
        let channel = connect(socket);
        Containerd {
            runtime: runtime::RuntimeServiceClient::new(channel.clone())
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
            images: runtime::ImageServiceClient::new(channel.clone())
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
            events: events::EventsClient::new(channel),
        }
    }
}
