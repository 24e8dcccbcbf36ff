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
    #[path = "containerd.services.containers.v1.rs"]
    pub mod containers_v1;
    #[path = "containerd.services.events.v1.rs"]
    pub mod events_v1;
    #[path = "runtime.v1.rs"]
    pub mod runtime_v1;
    #[path = "containerd.services.snapshots.v1.rs"]
    pub mod snapshots_v1;
    #[path = "containerd.services.tasks.v1.rs"]
    pub mod tasks_v1;
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

/// containerd's tasks: processes of containers.
pub mod tasks {
    pub use super::generated::tasks_v1::tasks_client::TasksClient;
    pub use super::generated::tasks_v1::*;
}

/// containerd's containers: what they are made of.
pub mod containers {
    pub use super::generated::containers_v1::containers_client::ContainersClient;
    pub use super::generated::containers_v1::*;
}

/// containerd's snapshots: layers of images, laid upon each other.
pub mod snapshots {
    pub use super::generated::snapshots_v1::snapshots_client::SnapshotsClient;
    pub use super::generated::snapshots_v1::*;
}

pub use prost_types::Any;
pub use tonic::{Code, Status};

/// A request of containerd's own services, in the namespace that CRI uses.
pub fn in_k8s<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let namespace = tonic::metadata::MetadataValue::from_static("k8s.io");
    request.metadata_mut().insert("containerd-namespace", namespace);
    request
}

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

/// All clients over one connection.
#[derive(Clone, Debug)]
pub struct Containerd {
    pub runtime: runtime::RuntimeServiceClient<Channel>,
    pub images: runtime::ImageServiceClient<Channel>,
    pub events: events::EventsClient<Channel>,
    pub tasks: tasks::TasksClient<Channel>,
    pub containers: containers::ContainersClient<Channel>,
    pub snapshots: snapshots::SnapshotsClient<Channel>,
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
            events: events::EventsClient::new(channel.clone()),
            tasks: tasks::TasksClient::new(channel.clone()),
            containers: containers::ContainersClient::new(channel.clone()),
            snapshots: snapshots::SnapshotsClient::new(channel),
        }
    }
}
