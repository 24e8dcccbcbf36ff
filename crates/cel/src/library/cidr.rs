//! Addresses and ranges of them (`k8s.io/apiserver/pkg/cel/library/{ip,cidr}.go`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Answer;
use crate::value::Value;

/// A range as it was written: an address in it, and the length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    length: u8,
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

pub(super) fn call(function: &str, args: &[Value]) -> Option<Answer> {
    Some(match (function, args) {
        ("ip", [Value::String(text)]) => ip(text).map(Value::Ip),
        ("ip", [Value::Cidr(range)]) => Ok(Value::Ip(range.address)),
        ("isIP", [Value::String(text)]) => Ok(Value::Bool(ip(text).is_ok())),
        ("ip.isCanonical", [Value::String(text)]) => ip(text).map(|ip| Value::Bool(ip.to_string() == **text)),
        ("family", [Value::Ip(ip)]) => Ok(Value::Int(if ip.is_ipv4() { 4 } else { 6 })),
        ("isUnspecified", [Value::Ip(ip)]) => Ok(Value::Bool(ip.is_unspecified())),
        ("isLoopback", [Value::Ip(ip)]) => Ok(Value::Bool(ip.is_loopback())),
        ("isLinkLocalMulticast", [Value::Ip(ip)]) => Ok(Value::Bool(match ip {
            IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
            IpAddr::V6(ip) => ip.segments()[0] & 0xff0f == 0xff02,
        })),
        ("isLinkLocalUnicast", [Value::Ip(ip)]) => Ok(Value::Bool(is_link_local(ip))),
        ("isGlobalUnicast", [Value::Ip(ip)]) => Ok(Value::Bool(
            !ip.is_unspecified()
                && !ip.is_loopback()
                && !ip.is_multicast()
                && !is_link_local(ip)
                && *ip != IpAddr::V4(Ipv4Addr::BROADCAST),
        )),
        ("cidr", [Value::String(text)]) => cidr(text).map(Value::Cidr),
        ("isCIDR", [Value::String(text)]) => Ok(Value::Bool(cidr(text).is_ok())),
        ("containsIP", [Value::Cidr(range), Value::Ip(ip)]) => Ok(Value::Bool(holds(range, ip))),
        ("containsIP", [Value::Cidr(range), Value::String(text)]) => {
            ip(text).map(|ip| Value::Bool(holds(range, &ip)))
        }
        ("containsCIDR", [Value::Cidr(range), Value::Cidr(other)]) => Ok(Value::Bool(covers(range, other))),
        ("containsCIDR", [Value::Cidr(range), Value::String(text)]) => {
            cidr(text).map(|other| Value::Bool(covers(range, &other)))
        }
        ("masked", [Value::Cidr(range)]) => {
            Ok(Value::Cidr(Cidr { address: masked(range.address, range.length), length: range.length }))
        }
        ("prefixLength", [Value::Cidr(range)]) => Ok(Value::Int(i64::from(range.length))),
        _ => return None,
    })
}

fn ip(text: &str) -> Result<IpAddr, String> {
    let bad = |why: &str| format!("IP Address {text:?} parse error during conversion from string: {why}");
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) if ip.to_ipv4_mapped().is_some() => {
            Err(bad("IPv4-mapped IPv6 address is not allowed"))
        }
        Ok(ip) => Ok(ip),
        Err(_) => Err(bad("unable to parse IP")),
    }
}

fn cidr(text: &str) -> Result<Cidr, String> {
    let bad = || format!("network address parse error during conversion from string: invalid CIDR {text:?}");
    let (address, length) = text.split_once('/').ok_or_else(bad)?;
    let address = ip(address).map_err(|_| bad())?;
    let is_plain =
        length == "0" || (!length.starts_with('0') && length.bytes().all(|byte| byte.is_ascii_digit()));
    let length: u8 = length.parse().ok().filter(|_| is_plain).ok_or_else(bad)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    if length > most { Err(bad()) } else { Ok(Cidr { address, length }) }
}

fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn masked(ip: IpAddr, length: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(ip) & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(ip) & mask))
        }
    }
}

fn holds(range: &Cidr, ip: &IpAddr) -> bool {
    range.address.is_ipv4() == ip.is_ipv4()
        && masked(*ip, range.length) == masked(range.address, range.length)
}

fn covers(range: &Cidr, other: &Cidr) -> bool {
    holds(range, &other.address) && other.length >= range.length
}
