//! Read-only views of the objects a node looks at: the fields it acts on and no others.
//!
//! Unknown fields are left out, absent ones get the API's defaults where the node depends on them, so that an object
//! from an older log reads like one from today.

mod container;
mod meta;
mod pod;
mod security;
mod service;
mod volume;

pub use container::{
    Container, EnvFrom, EnvVar, EnvVarSource, ExecAction, FieldRef, GrpcAction, Handler, HttpAction,
    HttpHeader, KeyRef, Lifecycle, NameRef, Port, Probe, PullPolicy, ResizePolicy, ResourceFieldRef,
    Resources, SleepAction, TcpAction, TerminationMessagePolicy, VolumeMount,
};
pub use meta::{Meta, PortValue};
pub use pod::{
    Condition, DnsConfig, DnsOption, HostAlias, Pod, PodSpec, PodStatus, ReadinessGate, RestartPolicy,
};
pub use security::{Capabilities, ContainerSecurity, PodSecurity, SeccompProfile, Sysctl};
pub use service::{
    Endpoint, EndpointConditions, EndpointPort, EndpointSlice, Service, ServicePort, ServiceSpec,
};
pub use volume::{
    ConfigMapSource, DownwardFile, DownwardSource, EmptyDirSource, HostPathSource, ImageSource, KeyPath,
    ProjectedPart, ProjectedSource, SecretSource, TokenSource, Volume,
};
