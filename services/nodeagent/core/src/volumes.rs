//! What has to lie in a pod's volumes. The shell brings it to the disk, atomically.

use std::collections::BTreeMap;

use rutter_quantity::Quantity;

use crate::fields::{self, Downward};
use crate::objects::{Contents, Objects};
use crate::view::{
    ConfigMapSource, Container, DownwardSource, KeyPath, ProjectedSource, PullPolicy, SecretSource, Volume,
};

/// One volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumePlan {
    pub name: String,
    pub content: VolumeContent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeContent {
    /// A directory that lives as long as the pod.
    Empty { memory: bool, size_bytes: Option<u64> },
    /// Files by path below the volume. `sensitive`: in memory only.
    Files { files: BTreeMap<String, File>, sensitive: bool },
    /// A path of the node; `kind` as in the API.
    Host { path: String, kind: String },
    /// An image's files, to be read only (KEP 4639).
    Image { reference: String, policy: PullPolicy },
}

/// A file of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub mode: u32,
    pub content: FileContent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContent {
    Bytes(Vec<u8>),
    /// A token of the pod's service account, to be asked for and renewed.
    Token {
        audience: String,
        expiration_secs: u64,
    },
}

/// All volumes of a pod.
///
/// # Errors
/// The message of a `FailedMount` event: a volume of an unknown kind, or a reference that isn't there.
pub fn volumes(cx: Downward<'_>, objects: &Objects) -> Result<Vec<VolumePlan>, String> {
    cx.pod.spec.volumes.iter().map(|volume| plan(cx, volume, objects)).collect()
}

fn plan(cx: Downward<'_>, volume: &Volume, objects: &Objects) -> Result<VolumePlan, String> {
    let failed = |why: String| format!("MountVolume.SetUp failed for volume {:?} : {why}", volume.name);
    let content = content(cx, volume, objects).map_err(failed)?;
    Ok(VolumePlan { name: volume.name.clone(), content })
}

fn content(cx: Downward<'_>, volume: &Volume, objects: &Objects) -> Result<VolumeContent, String> {
    let mut files = BTreeMap::new();
    if let Some(source) = &volume.empty_dir {
        return Ok(VolumeContent::Empty {
            memory: source.medium == "Memory",
            size_bytes: source
                .size_limit
                .as_deref()
                .and_then(|text| text.parse::<Quantity>().ok())
                .and_then(|limit| u64::try_from(limit.units()).ok()),
        });
    }
    if let Some(source) = &volume.host_path {
        return Ok(VolumeContent::Host { path: source.path.clone(), kind: source.kind.clone() });
    }
    if let Some(source) = &volume.image {
        let (reference, policy) = (source.reference.clone(), source.pull_policy());
        return Ok(VolumeContent::Image { reference, policy });
    }
    if let Some(source) = &volume.config_map {
        add_config_map(cx, source, source.default_mode.unwrap_or(0o644), objects, &mut files)?;
        return Ok(VolumeContent::Files { files, sensitive: false });
    }
    if let Some(source) = &volume.secret {
        add_secret(cx, source, source.default_mode.unwrap_or(0o644), objects, &mut files)?;
        return Ok(VolumeContent::Files { files, sensitive: true });
    }
    if let Some(source) = &volume.downward_api {
        add_downward(cx, source, source.default_mode.unwrap_or(0o644), &mut files)?;
        return Ok(VolumeContent::Files { files, sensitive: false });
    }
    if let Some(source) = &volume.projected {
        add_projected(cx, source, objects, &mut files)?;
        return Ok(VolumeContent::Files { files, sensitive: true });
    }
    Err("this kind of volume is not supported yet".to_owned())
}

type Files = BTreeMap<String, File>;

fn add_projected(
    cx: Downward<'_>,
    source: &ProjectedSource,
    objects: &Objects,
    files: &mut Files,
) -> Result<(), String> {
    let mode = source.default_mode.unwrap_or(0o644);
    for part in &source.sources {
        if let Some(source) = &part.config_map {
            add_config_map(cx, source, mode, objects, files)?;
        }
        if let Some(source) = &part.secret {
            add_secret(cx, source, mode, objects, files)?;
        }
        if let Some(source) = &part.downward_api {
            add_downward(cx, source, mode, files)?;
        }
        if let Some(source) = &part.service_account_token {
            let content = FileContent::Token {
                audience: source.audience.clone(),
                expiration_secs: source.expiration_seconds.unwrap_or(3600),
            };
            // Readable by who runs the container alone; 0600 upstream too, unless fsGroup opens it.
            let mode =
                if cx.pod.spec.security_context.fs_group.is_some() { 0o640 } else { token_mode(cx, mode) };
            files.insert(source.path.clone(), File { mode, content });
        }
    }
    Ok(())
}

/// A container that isn't run as root must still be able to read its token.
fn token_mode(cx: Downward<'_>, mode: u32) -> u32 {
    let pod_user = cx.pod.spec.security_context.run_as_user;
    let users = cx.pod.declared().map(|container| container.security_context.run_as_user.or(pod_user));
    if users.into_iter().all(|user| user == Some(0)) { 0o600 } else { mode }
}

fn add_config_map(
    cx: Downward<'_>,
    source: &ConfigMapSource,
    mode: u32,
    objects: &Objects,
    files: &mut Files,
) -> Result<(), String> {
    let namespace = &cx.pod.metadata.namespace;
    match objects.config_map(namespace, &source.name) {
        Some(contents) => {
            add_keys(contents, &source.items, mode, source.optional, files).map_err(|key| missing(&key))
        }
        None if source.optional => Ok(()),
        None => Err(format!("configmap {:?} not found", source.name)),
    }
}

fn add_secret(
    cx: Downward<'_>,
    source: &SecretSource,
    mode: u32,
    objects: &Objects,
    files: &mut Files,
) -> Result<(), String> {
    let namespace = &cx.pod.metadata.namespace;
    match objects.secret(namespace, source.secret()) {
        Some(contents) => {
            add_keys(contents, &source.items, mode, source.optional, files).map_err(|key| missing(&key))
        }
        None if source.optional => Ok(()),
        None => Err(format!("secret {:?} not found", source.secret())),
    }
}

fn missing(key: &str) -> String {
    format!("references non-existent config key: {key}")
}

fn add_keys(
    contents: Contents,
    items: &[KeyPath],
    mode: u32,
    optional: bool,
    files: &mut Files,
) -> Result<(), String> {
    if items.is_empty() {
        let all = contents.data.into_iter();
        files.extend(all.map(|(key, bytes)| (key, File { mode, content: FileContent::Bytes(bytes) })));
        return Ok(());
    }
    for item in items {
        match contents.data.get(&item.key) {
            Some(bytes) => {
                let content = FileContent::Bytes(bytes.clone());
                files.insert(item.path.clone(), File { mode: item.mode.unwrap_or(mode), content });
            }
            None if optional => {}
            None => return Err(item.key.clone()),
        }
    }
    Ok(())
}

fn add_downward(
    cx: Downward<'_>,
    source: &DownwardSource,
    mode: u32,
    files: &mut Files,
) -> Result<(), String> {
    for item in &source.items {
        let text = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => fields::field(cx, &field.field_path)?,
            (None, Some(resource)) => fields::resource(cx, &Container::default(), resource)?,
            (None, None) => continue,
        };
        let content = FileContent::Bytes(text.into_bytes());
        files.insert(item.path.clone(), File { mode: item.mode.unwrap_or(mode), content });
    }
    Ok(())
}
