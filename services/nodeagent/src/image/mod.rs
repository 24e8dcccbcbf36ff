//! Images without a registry: packing them, and giving them to containerd.

mod archive;
mod pause;

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

pub use archive::{Image, pack};

/// Why an image could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("`ctr` could not be started; it comes with containerd")]
    Start(#[source] std::io::Error),
    #[error("containerd did not take the image: {0}")]
    Refused(String),
    #[error("the archive could not be read")]
    Read(#[source] std::io::Error),
}

/// Loads an archive (`docker save`, or an OCI layout in a tar) into the containerd at `socket`. Returns the names of
/// the images in it.
///
/// # Errors
/// When the file can't be read, or containerd refuses it.
pub async fn load(socket: &Path, archive: &Path) -> Result<Vec<String>, LoadError> {
    let bytes = tokio::fs::read(archive).await.map_err(LoadError::Read)?;
    load_bytes(socket, &bytes).await
}

/// Loads an archive that is in memory.
///
/// # Errors
/// As [`load`].
pub async fn load_bytes(socket: &Path, archive: &[u8]) -> Result<Vec<String>, LoadError> {
    let mut ctr = Command::new("ctr");
    ctr.arg("--address").arg(socket).args(["--namespace", "k8s.io", "images", "import", "-"]);
    ctr.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = ctr.spawn().map_err(LoadError::Start)?;
    let mut stdin = child.stdin.take().expect("it was asked for");
    // A refusal closes the pipe early; its words are on stderr.
    let _ = stdin.write_all(archive).await;
    drop(stdin);
    let output = child.wait_with_output().await.map_err(LoadError::Start)?;
    if !output.status.success() {
        return Err(LoadError::Refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(names(&String::from_utf8_lossy(&output.stdout)))
}

/// `unpacking docker.io/rutter/demo:latest (sha256:…)...done`
fn names(output: &str) -> Vec<String> {
    output
        .lines()
        .filter_map(|line| line.strip_prefix("unpacking ")?.split(' ').next())
        .map(str::to_owned)
        .collect()
}

/// The image of the demo server, of its static program (`images/demo`).
pub fn demo(program: Vec<u8>, name: &str) -> Image {
    Image {
        name: name.to_owned(),
        files: vec![("demo".to_owned(), program, 0o755)],
        entrypoint: vec!["/demo".to_owned()],
        env: vec!["PATH=/".to_owned()],
        ports: vec!["8080/tcp".to_owned()],
        ..Image::default()
    }
}

/// Loads the image of the process that holds a pod's namespaces.
pub(crate) async fn load_pause(socket: &Path, name: &str) -> Result<(), LoadError> {
    let Some(program) = pause::program() else { return Ok(()) };
    let image = Image {
        name: name.to_owned(),
        files: vec![("pause".to_owned(), program, 0o755)],
        entrypoint: vec!["/pause".to_owned()],
        ..Image::default()
    };
    load_bytes(socket, &pack(&image)).await.map(drop)
}
