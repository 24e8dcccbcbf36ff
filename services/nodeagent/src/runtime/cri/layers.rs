//! Images as volumes: containerd lays an image's layers upon each other, and the node mounts them. CRI can do so by
//! itself only in later versions; this needs nothing of the version.

use std::collections::HashMap;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use rutter_cri::runtime as cri;
use rutter_cri::snapshots::{MountsRequest, RemoveSnapshotRequest, SnapshotMount, ViewSnapshotRequest};
use rutter_cri::{Code, in_k8s};
use serde_json::Value;

use super::{Cri, bounded, forgiving, image_spec, words};

/// containerd's own choice for CRI.
const SNAPSHOTTER: &str = "overlayfs";

impl Cri {
    /// Mounts an image's files at `dir`, for reading alone. `key` names the view until [`Cri::drop_view`].
    pub(in crate::runtime) async fn mount_image(
        &self,
        image: &str,
        key: &str,
        dir: &Path,
    ) -> Result<(), String> {
        if is_mounted(dir) {
            return Ok(());
        }
        let layers = self.view(image, key).await?;
        let dir = dir.to_owned();
        let mounted = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&dir)?;
            layers.iter().try_for_each(|layer| mount_layer(layer, &dir))
        });
        mounted.await.map_err(|why| why.to_string())?.map_err(|why| format!("image {image:?}: {why}"))
    }

    /// What is to be mounted; the view that was made before, if there is one.
    async fn view(&self, image: &str, key: &str) -> Result<Vec<SnapshotMount>, String> {
        let mut snapshots = self.client.snapshots.clone();
        let request = ViewSnapshotRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            key: key.to_owned(),
            parent: self.top_layer(image).await?,
            // Nothing of containerd's refers to it: without this it would be swept away.
            labels: HashMap::from([("containerd.io/gc.root".to_owned(), "volume".to_owned())]),
        };
        match snapshots.view(in_k8s(request)).await {
            Ok(answer) => Ok(answer.into_inner().mounts),
            Err(status) if status.code() == Code::AlreadyExists => {
                let request = MountsRequest { snapshotter: SNAPSHOTTER.to_owned(), key: key.to_owned() };
                Ok(snapshots.mounts(in_k8s(request)).await.map_err(words)?.into_inner().mounts)
            }
            Err(status) => Err(words(status)),
        }
    }

    /// The name of an image's layers all together.
    async fn top_layer(&self, image: &str) -> Result<String, String> {
        let request = cri::ImageStatusRequest { image: Some(image_spec(image)), verbose: true };
        let answer = self.client.images.clone().image_status(bounded(request)).await.map_err(words)?;
        let info = answer.into_inner().info.remove("info").unwrap_or_default();
        let info: Value = serde_json::from_str(&info).unwrap_or_default();
        let chain = info["chainID"].as_str().map(str::to_owned);
        chain.ok_or_else(|| format!("containerd does not tell the layers of image {image:?}"))
    }

    pub(in crate::runtime) async fn drop_view(&self, key: &str) -> Result<(), String> {
        let request = RemoveSnapshotRequest { snapshotter: SNAPSHOTTER.to_owned(), key: key.to_owned() };
        forgiving(self.client.snapshots.clone().remove(in_k8s(request)).await)
    }
}

fn mount_layer(layer: &SnapshotMount, dir: &Path) -> std::io::Result<()> {
    let alone = MsFlags::MS_RDONLY | MsFlags::MS_NOEXEC | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let source = Some(layer.source.as_str());
    if layer.r#type == "bind" {
        mount(source, dir, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
        let again = alone | MsFlags::MS_BIND | MsFlags::MS_REMOUNT;
        return Ok(mount(None::<&str>, dir, None::<&str>, again, None::<&str>)?);
    }
    let options: Vec<&str> =
        layer.options.iter().map(String::as_str).filter(|option| *option != "ro").collect();
    Ok(mount(source, dir, Some(layer.r#type.as_str()), alone, Some(options.join(",").as_str()))?)
}

fn is_mounted(dir: &Path) -> bool {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut points = table.lines().filter_map(|line| line.split(' ').nth(4));
    points.any(|point| Path::new(point) == dir)
}
