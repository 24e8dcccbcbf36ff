//! The ranges that addresses and ports are taken from, and the order in which they are tried.

use std::net::Ipv4Addr;

use thiserror::Error;

/// What Services may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges {
    base: u32,
    /// Addresses in the range.
    size: u32,
    ports: std::ops::RangeInclusive<u16>,
}

/// A range that Services can't be served from.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RangesError {
    #[error("{0:?} is not an IPv4 range like 10.96.0.0/16")]
    NotCidr(String),
    #[error("a range of /{0} is too small or too large for Services: /12 to /28")]
    Size(u8),
    #[error("node ports from {first} to {last} are none")]
    Ports { first: u16, last: u16 },
}

impl Ranges {
    /// # Errors
    /// [`RangesError`].
    pub fn new(cidr: &str, first_port: u16, last_port: u16) -> Result<Ranges, RangesError> {
        let not_cidr = || RangesError::NotCidr(cidr.to_owned());
        let (address, bits) = cidr.split_once('/').ok_or_else(not_cidr)?;
        let address: Ipv4Addr = address.parse().map_err(|_| not_cidr())?;
        let bits: u8 = bits.parse().map_err(|_| not_cidr())?;
        if !(12..=28).contains(&bits) {
            return Err(RangesError::Size(bits));
        }
        if first_port == 0 || first_port > last_port {
            return Err(RangesError::Ports { first: first_port, last: last_port });
        }
        let size = 1 << (32 - bits);
        Ok(Ranges { base: u32::from(address) & !(size - 1), size, ports: first_port..=last_port })
    }

    /// The address of the Service `kubernetes`: the first of the range.
    pub fn api_server(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    /// Whether a Service may ask for this address; network and broadcast address are nobody's.
    pub fn has(&self, address: Ipv4Addr) -> bool {
        let offset = u32::from(address).wrapping_sub(self.base);
        (1..self.size - 1).contains(&offset)
    }

    pub fn has_port(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }

    /// `30000-32767`.
    pub fn ports_in_words(&self) -> String {
        format!("{}-{}", self.ports.start(), self.ports.end())
    }

    /// Every address once, from a place that `seed` chooses: first those above the band that people ask for by number
    /// (KEP-3070), then that band.
    pub fn addresses(&self, seed: u128) -> impl Iterator<Item = Ipv4Addr> + use<> {
        let band = (self.size / 16).clamp(16, 256).min(self.size / 2);
        let (base, upper) = (self.base, self.size - 1 - band);
        let start = u32::try_from(seed % u128::from(upper)).expect("smaller than a u32");
        let above = (0..upper).map(move |n| band + (start + n) % upper);
        above.chain(1..band).map(move |offset| Ipv4Addr::from(base + offset))
    }

    /// Every port once, from a place that `seed` chooses.
    pub fn ports(&self, seed: u128) -> impl Iterator<Item = u16> + use<> {
        let (first, last) = (u32::from(*self.ports.start()), u32::from(*self.ports.end()));
        let count = last - first + 1;
        let start = u32::try_from(seed % u128::from(count)).expect("smaller than a u32");
        (0..count).map(move |n| u16::try_from(first + (start + n) % count).expect("within the ports"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_address_is_tried_once_and_the_asked_for_ones_last() {
        let ranges = Ranges::new("10.96.0.0/24", 30000, 30003).expect("valid");
        let tried: Vec<Ipv4Addr> = ranges.addresses(77).collect();
        assert_eq!(tried.iter().collect::<BTreeSet<_>>().len(), 254);
        assert!(tried.iter().all(|address| ranges.has(*address)));
        assert!(tried[..230].iter().all(|address| address.octets()[3] >= 16));
        assert_eq!(ranges.ports(6).collect::<Vec<_>>(), [30002, 30003, 30000, 30001]);
    }

    #[test]
    fn ranges_that_serve_nobody_are_refused() {
        assert_eq!(Ranges::new("10.96.0.0", 1, 2), Err(RangesError::NotCidr("10.96.0.0".into())));
        assert_eq!(Ranges::new("10.0.0.0/8", 1, 2), Err(RangesError::Size(8)));
        assert_eq!(Ranges::new("10.96.0.0/16", 5, 4), Err(RangesError::Ports { first: 5, last: 4 }));
    }
}
