//! An image of a few files as a `docker save` archive: made in memory, the same bytes for the same files.

use serde_json::json;
use sha2::{Digest, Sha256};

/// One layer and how to start it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// `rutter/demo:latest`; the registry is docker.io if none is named.
    pub name: String,
    /// Further names of the same image.
    pub also: Vec<String>,
    /// Path without leading slash, contents, mode. Directories are made as needed.
    pub files: Vec<(String, Vec<u8>, u32)>,
    pub entrypoint: Vec<String>,
    pub env: Vec<String>,
    /// `8080/tcp`.
    pub ports: Vec<String>,
    pub user: String,
}

/// The archive's bytes.
pub fn pack(image: &Image) -> Vec<u8> {
    let mut layer = Tar::default();
    for directory in directories(image) {
        layer.directory(&directory);
    }
    for (path, bytes, mode) in &image.files {
        layer.file(path, bytes, *mode);
    }
    let layer = layer.finish();
    let config = serde_json::to_vec(&json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {
            "Entrypoint": image.entrypoint,
            "Env": image.env,
            "User": image.user,
            "ExposedPorts": image.ports.iter().map(|port| (port.clone(), json!({}))).collect::<serde_json::Map<_, _>>(),
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&layer))]},
        "history": [{"created_by": "rutter"}],
    }))
    .expect("plain data");
    let (config_name, layer_name) = (format!("{}.json", hex(&config)), format!("{}/layer.tar", hex(&layer)));
    let names: Vec<String> =
        std::iter::once(&image.name).chain(&image.also).map(|name| full_name(name)).collect();
    let manifest = json!([{"Config": config_name, "RepoTags": names, "Layers": [layer_name]}]);
    let mut archive = Tar::default();
    archive.file(&config_name, &config, 0o644);
    archive.directory(&hex(&layer));
    archive.file(&layer_name, &layer, 0o644);
    archive.file("manifest.json", &serde_json::to_vec(&manifest).expect("plain data"), 0o644);
    archive.finish()
}

fn directories(image: &Image) -> std::collections::BTreeSet<String> {
    let parents = image.files.iter().flat_map(|(path, _, _)| {
        path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect::<Vec<_>>()
    });
    parents.collect()
}

/// A name without a registry is docker.io's, as containerd reads it.
fn full_name(name: &str) -> String {
    match name.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

const BLOCK: usize = 512;

/// The `ustar` format (POSIX.1-1988), with no time and no owner, so that the same files make the same bytes.
#[derive(Default)]
struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    fn directory(&mut self, path: &str) {
        self.header(&format!("{path}/"), 0, 0o755, b'5');
    }

    fn file(&mut self, path: &str, contents: &[u8], mode: u32) {
        self.header(path, contents.len(), mode, b'0');
        self.bytes.extend_from_slice(contents);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
    }

    fn header(&mut self, path: &str, size: usize, mode: u32, kind: u8) {
        let mut header = [0_u8; BLOCK];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        assert!(path.len() <= 100, "paths in our images are short");
        put(0, path);
        put(100, &format!("{mode:07o}"));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{size:011o}"));
        put(136, "00000000000");
        put(148, "        ");
        put(257, "ustar");
        put(263, "00");
        header[156] = kind;
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&header);
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tar_reads_what_was_packed() {
        let image = Image {
            name: "rutter/demo:1".into(),
            files: vec![("bin/demo".into(), b"program".to_vec(), 0o755)],
            entrypoint: vec!["/bin/demo".into()],
            ..Image::default()
        };
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("image.tar");
        std::fs::write(&path, pack(&image)).expect("it can be written");
        let listed = std::process::Command::new("tar").arg("-tvf").arg(&path).output().expect("tar is there");
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(
            listed.status.success() && text.contains("manifest.json") && text.contains("layer.tar"),
            "{text}"
        );
        assert_eq!(pack(&image), pack(&image));
    }

    #[test]
    fn names_are_read_as_containerd_reads_them() {
        assert_eq!(full_name("rutter/demo:1"), "docker.io/rutter/demo:1");
        assert_eq!(full_name("busybox"), "docker.io/library/busybox");
        assert_eq!(full_name("localhost:5000/x"), "localhost:5000/x");
    }
}
