//! Names to IPv4 addresses, by /etc/hosts and /etc/resolv.conf with its search list. A static program can't use the
//! C library's resolver, which loads shared objects.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);
/// As resolv.conf(5): names with fewer dots try the search list first.
const NDOTS: usize = 5;

pub(crate) fn resolve(host: &str) -> Result<Ipv4Addr, String> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    if let Some(address) = in_hosts_file(host) {
        return Ok(address);
    }
    let config =
        fs::read_to_string("/etc/resolv.conf").map_err(|error| format!("/etc/resolv.conf: {error}"))?;
    let servers = fields(&config, "nameserver").filter_map(|server| server.parse::<IpAddr>().ok());
    let servers: Vec<IpAddr> = servers.collect();
    let searched = fields(&config, "search").map(|domain| format!("{host}.{domain}"));
    let absolute = host.trim_end_matches('.').to_owned();
    let mut names: Vec<String> = if host.ends_with('.') { Vec::new() } else { searched.collect() };
    let at = if host.matches('.').count() >= NDOTS { 0 } else { names.len() };
    names.insert(at, absolute);
    let asked = names.iter().flat_map(|name| servers.iter().map(move |server| (name, server)));
    let found = asked.into_iter().find_map(|(name, server)| ask(name, *server).ok().flatten());
    found.ok_or_else(|| format!("{host} is not known to {servers:?}"))
}

fn in_hosts_file(host: &str) -> Option<Ipv4Addr> {
    let hosts = fs::read_to_string("/etc/hosts").ok()?;
    let mut lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
    lines.find_map(|mut words| {
        let address = words.next()?.parse().ok()?;
        words.any(|name| name == host).then_some(address)
    })
}

fn fields<'a>(config: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    config.lines().filter_map(move |line| line.strip_prefix(name)).flat_map(str::split_whitespace)
}

/// One question for an A record over UDP (RFC 1035).
fn ask(name: &str, server: IpAddr) -> std::io::Result<Option<Ipv4Addr>> {
    let local: (IpAddr, u16) = (Ipv4Addr::UNSPECIFIED.into(), 0);
    let socket = UdpSocket::bind(local)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.connect((server, 53))?;
    socket.send(&question(name))?;
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer)?;
    Ok(address_in(&answer[..length]))
}

fn question(name: &str) -> Vec<u8> {
    let mut packet = vec![0x52, 0x75, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty() && label.len() < 64) {
        packet.push(u8::try_from(label.len()).unwrap_or(0));
        packet.extend(label.bytes());
    }
    packet.extend([0, 0, 1, 0, 1]);
    packet
}

/// The first A record of an answer.
fn address_in(packet: &[u8]) -> Option<Ipv4Addr> {
    let count = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]);
    let mut at = after_name(packet, 12)? + 4;
    for _ in 0..count {
        at = after_name(packet, at)?;
        let head = packet.get(at..at + 10)?;
        let length = usize::from(u16::from_be_bytes([head[8], head[9]]));
        let data = packet.get(at + 10..at + 10 + length)?;
        if head[..2] == [0, 1] && length == 4 {
            return Some(Ipv4Addr::new(data[0], data[1], data[2], data[3]));
        }
        at += 10 + length;
    }
    None
}

fn after_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *packet.get(at)? {
            0 => return Some(at + 1),
            length if length >= 0xc0 => return Some(at + 2),
            length => at += usize::from(length) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_behind_an_alias_is_found() {
        let mut packet = question("web.default");
        packet[7] = 2;
        packet.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12]);
        packet.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 96, 0, 7]);
        assert_eq!(address_in(&packet), Some(Ipv4Addr::new(10, 96, 0, 7)));
    }

    #[test]
    fn a_cut_answer_is_no_answer() {
        let mut packet = question("web");
        packet[7] = 1;
        packet.extend([0xc0, 12, 0, 1, 0, 1, 0, 0]);
        assert_eq!(address_in(&packet), None);
    }
}
