//! Writes `crates/cri/src/generated` from `crates/cri/proto`: only the calls in [`CALLS`] and the messages they reach,
//! without comments. Run it in `crates/cri/generator` with `cargo run`, then `cargo fmt --all`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use prost_types::{DescriptorProto, FileDescriptorSet};

const CALLS: &[&str] = &[
    "Version",
    "Status",
    "RunPodSandbox",
    "StopPodSandbox",
    "RemovePodSandbox",
    "PodSandboxStatus",
    "ListPodSandbox",
    "CreateContainer",
    "StartContainer",
    "StopContainer",
    "RemoveContainer",
    "ListContainers",
    "ContainerStatus",
    "UpdateContainerResources",
    "ReopenContainerLog",
    "ExecSync",
    "Exec",
    "Attach",
    "ListContainerStats",
    "ListImages",
    "ImageStatus",
    "PullImage",
    "RemoveImage",
    // containerd's own.
    "Subscribe",
    "Start",
    "Get",
    "Wait",
    "Kill",
    "ResizePty",
    "CloseIO",
    "DeleteProcess",
    "View",
    "Mounts",
    "Remove",
];

/// Reached by no call: they travel inside an `Any`.
const EXTRA: &[&str] = &["TaskExit", "TaskOOM"];

fn main() -> Result<()> {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the generator lies in the crate")?;
    let proto = crate_dir.join("proto");
    let mut files = protox::compile(["runtime.proto", "containerd.proto", "tasks.proto", "containers.proto", "snapshots.proto"], [&proto])?;
    for file in &mut files.file {
        file.source_code_info = None;
        for service in &mut file.service {
            service.method.retain(|method| CALLS.contains(&method.name()));
        }
    }
    drop_windows(&mut files);
    drop_unreached(&mut files);
    let out = crate_dir.join("src/generated");
    std::fs::create_dir_all(&out)?;
    tonic_prost_build::configure().build_server(false).out_dir(&out).compile_fds(files)?;
    Ok(())
}

fn drop_windows(files: &mut FileDescriptorSet) {
    for message in files.file.iter_mut().flat_map(|file| &mut file.message_type) {
        message.field.retain(|field| field.name() != "windows");
    }
}

fn drop_unreached(files: &mut FileDescriptorSet) {
    let mut reached: BTreeSet<String> = EXTRA.iter().map(|name| (*name).to_owned()).collect();
    for method in files.file.iter().flat_map(|file| &file.service).flat_map(|service| &service.method) {
        reached.insert(short(method.input_type()));
        reached.insert(short(method.output_type()));
    }
    loop {
        let more: BTreeSet<String> = files
            .file
            .iter()
            .flat_map(|file| &file.message_type)
            .filter(|message| reached.contains(message.name()))
            .flat_map(named_types)
            .collect();
        let before = reached.len();
        reached.extend(more);
        if reached.len() == before {
            break;
        }
    }
    for file in files.file.iter_mut().filter(|file| !file.name().starts_with("google/")) {
        file.message_type.retain(|message| reached.contains(message.name()));
        file.enum_type.retain(|kind| reached.contains(kind.name()));
    }
}

fn named_types(message: &DescriptorProto) -> Vec<String> {
    let own = message.field.iter().filter(|field| field.type_name.is_some()).map(|field| short(field.type_name()));
    own.chain(message.nested_type.iter().flat_map(named_types)).collect()
}

fn short(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).to_owned()
}
