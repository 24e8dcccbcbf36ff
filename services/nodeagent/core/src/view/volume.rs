//! Volumes.

use serde::Deserialize;

use super::{FieldRef, PullPolicy, ResourceFieldRef};

/// `Volume`: one source is set; a volume with a source not named here can't be mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    pub name: String,
    pub empty_dir: Option<EmptyDirSource>,
    pub config_map: Option<ConfigMapSource>,
    pub secret: Option<SecretSource>,
    #[serde(rename = "downwardAPI")]
    pub downward_api: Option<DownwardSource>,
    pub projected: Option<ProjectedSource>,
    pub host_path: Option<HostPathSource>,
    pub image: Option<ImageSource>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EmptyDirSource {
    pub medium: String,
    pub size_limit: Option<String>,
}

/// One key put at a path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct KeyPath {
    pub key: String,
    pub path: String,
    pub mode: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigMapSource {
    pub name: String,
    pub items: Vec<KeyPath>,
    pub default_mode: Option<u32>,
    pub optional: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretSource {
    /// As a volume of its own.
    pub secret_name: String,
    /// As a part of a projected volume.
    pub name: String,
    pub items: Vec<KeyPath>,
    pub default_mode: Option<u32>,
    pub optional: bool,
}

impl SecretSource {
    pub fn secret(&self) -> &str {
        if self.secret_name.is_empty() { &self.name } else { &self.secret_name }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DownwardSource {
    pub items: Vec<DownwardFile>,
    pub default_mode: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DownwardFile {
    pub path: String,
    pub field_ref: Option<FieldRef>,
    pub resource_field_ref: Option<ResourceFieldRef>,
    pub mode: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectedSource {
    pub sources: Vec<ProjectedPart>,
    pub default_mode: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectedPart {
    pub config_map: Option<ConfigMapSource>,
    pub secret: Option<SecretSource>,
    #[serde(rename = "downwardAPI")]
    pub downward_api: Option<DownwardSource>,
    pub service_account_token: Option<TokenSource>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenSource {
    pub audience: String,
    pub expiration_seconds: Option<u64>,
    pub path: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HostPathSource {
    pub path: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// `ImageVolumeSource`: an image's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageSource {
    pub reference: String,
    pub pull_policy: Option<PullPolicy>,
}

impl ImageSource {
    pub fn pull_policy(&self) -> PullPolicy {
        self.pull_policy.unwrap_or_else(|| PullPolicy::default_of(&self.reference))
    }
}
