//! What a Service asks for and lacks: addresses by its type, ports by its type and its list, as upstream's allocators
//! decide it (pkg/registry/core/service/storage/alloc.go). IPv4, one address a Service.

use std::net::Ipv4Addr;

use rutter_apimachinery::status::{FieldError, Path, Status};
use rutter_apimachinery::write::kind_subject;
use rutter_projection::Snapshot;
use rutter_schemas::Uuid;
use serde_json::{Value, json};

use super::{Claim, Ranges};
use crate::chain::Call;

/// Completes `service` and answers what it has to claim anew.
///
/// # Errors
/// 422 for what can't be had, 500 when everything is taken.
pub(super) fn grant(
    ranges: &Ranges,
    snapshot: &Snapshot,
    before: Option<&Value>,
    service: &mut Value,
    call: &Call,
) -> Result<Vec<Claim>, Status> {
    let had = before.map(Claim::of).unwrap_or_default();
    let mut wish = Wish {
        ranges,
        snapshot,
        had,
        seed: Uuid::new_v4().as_u128(),
        claims: Vec::new(),
        errors: Vec::new(),
    };
    let kind = service.pointer("/spec/type").and_then(Value::as_str).unwrap_or("ClusterIP").to_owned();
    if let Some(before) = before {
        keep(before, service, &kind);
    }
    wish.address(service, &kind)?;
    wish.ports(service, &kind)?;
    if wish.errors.is_empty() {
        return Ok(wish.claims);
    }
    let name = service.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    Err(Status::invalid(kind_subject(&call.resource), name, wish.errors))
}

/// An update that doesn't speak of addresses and ports keeps them (upstream: `patchAllocatedValues`).
fn keep(before: &Value, service: &mut Value, kind: &str) {
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if kind != "ExternalName" {
        for field in ["clusterIP", "clusterIPs"] {
            let absent = spec.get(field).is_none_or(|value| value.as_str() == Some("") || value.is_null());
            if let Some(had) = before["spec"].get(field).filter(|_| absent) {
                spec.insert(field.to_owned(), had.clone());
            }
        }
    }
    if !matches!(kind, "NodePort" | "LoadBalancer") {
        return;
    }
    let old: Vec<Value> =
        before.pointer("/spec/ports").and_then(Value::as_array).cloned().unwrap_or_default();
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let same = |old: &&Value| old["port"] == port["port"] && protocol(old) == protocol(port);
        let had = old.iter().find(same).and_then(|old| old["nodePort"].as_u64()).filter(|port| *port > 0);
        if let Some(had) = had.filter(|_| port["nodePort"].as_u64().unwrap_or(0) == 0) {
            port["nodePort"] = json!(had);
        }
    }
}

fn protocol(port: &Value) -> &str {
    port["protocol"].as_str().unwrap_or("TCP")
}

struct Wish<'a> {
    ranges: &'a Ranges,
    snapshot: &'a Snapshot,
    had: Vec<Claim>,
    seed: u128,
    claims: Vec<Claim>,
    errors: Vec<FieldError>,
}

impl Wish<'_> {
    fn address(&mut self, service: &mut Value, kind: &str) -> Result<(), Status> {
        if kind == "ExternalName" {
            return Ok(());
        }
        let asked =
            service.pointer("/spec/clusterIP").and_then(Value::as_str).filter(|text| !text.is_empty());
        let asked = asked
            .or_else(|| service.pointer("/spec/clusterIPs/0").and_then(Value::as_str))
            .map(str::to_owned);
        let address = match asked.as_deref() {
            Some("None") => "None".to_owned(),
            Some(text) => match text.parse() {
                Ok(address) => {
                    self.asked_address(address)?;
                    text.to_owned()
                }
                // Not an address: the kind's validation says so.
                Err(_) => return Ok(()),
            },
            None => self.any_address()?.to_string(),
        };
        let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return Ok(()) };
        spec.insert("clusterIP".to_owned(), json!(address));
        spec.insert("clusterIPs".to_owned(), json!([address]));
        spec.entry("ipFamilies").or_insert_with(|| json!(["IPv4"]));
        spec.entry("ipFamilyPolicy").or_insert_with(|| json!("SingleStack"));
        Ok(())
    }

    fn asked_address(&mut self, address: Ipv4Addr) -> Result<(), Status> {
        let claim = Claim::Address(address);
        if self.had.contains(&claim) {
            return Ok(());
        }
        let mut refuse = |why: &str| {
            let detail = format!("failed to allocate IP {address}: {why}");
            self.errors.push(Path::of("spec.clusterIPs").invalid(json!([address.to_string()]), &detail));
        };
        if !self.ranges.has(address) {
            refuse("the provided network does not match the current range");
        } else if !claim.is_free(self.snapshot)? {
            refuse("provided IP is already allocated");
        } else {
            self.claims.push(claim);
        }
        Ok(())
    }

    fn any_address(&mut self) -> Result<Ipv4Addr, Status> {
        for address in self.ranges.addresses(self.seed) {
            let claim = Claim::Address(address);
            if claim.is_free(self.snapshot)? {
                self.claims.push(claim);
                return Ok(address);
            }
        }
        Err(Status::internal("failed to allocate a serviceIP: range is full"))
    }

    fn ports(&mut self, service: &mut Value, kind: &str) -> Result<(), Status> {
        let wanted = match kind {
            "NodePort" => true,
            "LoadBalancer" => {
                service.pointer("/spec/allocateLoadBalancerNodePorts") != Some(&Value::Bool(false))
            }
            _ => return Ok(()),
        };
        let ports = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
        // Two protocols of one Service may share a port.
        let mut shared: Vec<(u64, u16)> = Vec::new();
        for (index, port) in ports.into_iter().flatten().enumerate() {
            let number = port["port"].as_u64().unwrap_or_default();
            match port["nodePort"].as_u64().filter(|asked| *asked > 0) {
                Some(asked) => self.asked_port(index, asked)?,
                None if wanted => {
                    let known = shared.iter().find(|(of, _)| *of == number).map(|(_, port)| *port);
                    let given = match known {
                        Some(port) => port,
                        None => self.any_port()?,
                    };
                    port["nodePort"] = json!(given);
                }
                None => {}
            }
            let given = port["nodePort"].as_u64().and_then(|port| u16::try_from(port).ok());
            shared.extend(given.map(|port| (number, port)));
        }
        Ok(())
    }

    fn asked_port(&mut self, index: usize, asked: u64) -> Result<(), Status> {
        let spec = Path::of("spec.ports");
        let at = spec.index(index);
        let path = at.child("nodePort");
        let port = u16::try_from(asked).ok().filter(|port| self.ranges.has_port(*port));
        let Some(port) = port else {
            let range = self.ranges.ports_in_words();
            let why = format!("provided port is not in the valid range. The range of valid ports is {range}");
            self.errors.push(path.invalid(asked, &why));
            return Ok(());
        };
        let claim = Claim::NodePort(port);
        if self.had.contains(&claim) || self.claims.contains(&claim) {
            return Ok(());
        }
        if claim.is_free(self.snapshot)? {
            self.claims.push(claim);
        } else {
            self.errors.push(path.invalid(asked, "provided port is already allocated"));
        }
        Ok(())
    }

    fn any_port(&mut self) -> Result<u16, Status> {
        for port in self.ranges.ports(self.seed) {
            let claim = Claim::NodePort(port);
            if !self.had.contains(&claim) && !self.claims.contains(&claim) && claim.is_free(self.snapshot)? {
                self.claims.push(claim);
                return Ok(port);
            }
        }
        Err(Status::internal("failed to allocate a nodePort: range is full"))
    }
}
