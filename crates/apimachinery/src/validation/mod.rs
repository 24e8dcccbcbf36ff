//! What upstream accepts as a name, a label, metadata: the rules that are the same for every kind.

mod metadata;
mod names;

pub use crate::status::{Fault, FieldError, Path};
pub use metadata::{
    annotations, immutable, labels, metadata, metadata_at, metadata_update, non_negative, selector,
};
pub use names::{
    NameRule, c_identifier_faults, config_key_faults, dns_label_faults, dns_subdomain_faults,
    env_name_faults, ip_faults, is_cidr, label_value_faults, max_bytes, path_segment_faults,
    port_name_faults, port_number_faults, qualified_name_faults, range, service_name_faults,
    wildcard_subdomain_faults,
};
