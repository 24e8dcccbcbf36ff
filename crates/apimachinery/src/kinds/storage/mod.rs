//! The group storage.k8s.io (`pkg/registry/storage`, `pkg/apis/storage/v1/defaults.go`,
//! `pkg/apis/storage/validation/validation.go`).

mod class;
mod csi;

pub(super) use class::{STORAGE_CLASS, VOLUME_ATTRIBUTES_CLASS};
pub(super) use csi::{CSI_DRIVER, CSI_NODE, CSI_STORAGE_CAPACITY, VOLUME_ATTACHMENT};
