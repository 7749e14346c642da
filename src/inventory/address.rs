//! Hardware addresses and networks: parse what people write, print one form.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A hardware address: 6 octets (Ethernet) or 20 (IP over InfiniBand, RFC 4391).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardwareAddress {
    octets: [u8; 20],
    length: u8,
}

impl HardwareAddress {
    /// Parses pairs of hexadecimal digits with `:` or `-` between them.
    ///
    /// # Errors
    /// A sentence of what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut octets = [0; 20];
        let mut length = 0_u8;
        for pair in text.split([':', '-']) {
            let octet = (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok()).flatten();
            let Some(octet) = octet.filter(|_| !pair.starts_with('+')) else {
                return Err(format!("`{pair}` in the hardware address `{text}` is not two hexadecimal digits"));
            };
            match octets.get_mut(usize::from(length)) {
                Some(place) => *place = octet,
                None => return Err(format!("the hardware address `{text}` has more than 20 octets")),
            }
            length += 1;
        }
        match length {
            6 | 20 => Ok(Self { octets, length }),
            other => Err(format!("the hardware address `{text}` has {other} octets; Ethernet has 6, InfiniBand 20")),
        }
    }

    /// The octets: 6 or 20.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

impl fmt::Display for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.octets().iter().enumerate() {
            write!(f, "{}{octet:02x}", if index > 0 { ":" } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A range of IP addresses with a common prefix: `10.1.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet {
    /// The first address.
    pub first: IpAddr,
    /// Length of the prefix, in bits.
    pub prefix: u8,
}

impl Subnet {
    /// Parses `ADDRESS/PREFIX`.
    ///
    /// # Errors
    /// A sentence of what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('/')
            .and_then(|(address, prefix)| Some((address.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?)));
        let Some((first, prefix)) = parsed else {
            return Err(format!("`{text}` is not a subnet such as `10.1.0.0/16`"));
        };
        let bits = if first.is_ipv4() { 32 } else { 128 };
        if prefix > bits {
            return Err(format!("the prefix of `{text}` is longer than the {bits} bits of the address"));
        }
        let subnet = Self { first, prefix };
        let start = subnet.start(first);
        if start != first {
            return Err(format!("`{text}` is an address inside a subnet; the subnet itself is `{start}/{prefix}`"));
        }
        Ok(subnet)
    }

    /// The first address of the subnet of this size that holds `address`.
    fn start(self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        }
    }

    /// Whether the address is one of the subnet's.
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.start(address) == self.first
    }

    /// Whether no host can have the address: an IPv4 subnet's first and last, if it has more than two.
    pub fn reserves(self, address: IpAddr) -> bool {
        let (IpAddr::V4(address), IpAddr::V4(first)) = (address, self.first) else { return false };
        let hosts = u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
        self.prefix < 31 && (address == first || address.to_bits() == first.to_bits() | hosts)
    }

    /// Whether any address is in both.
    pub fn overlaps(self, other: Subnet) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }

    /// The netmask as an address.
    pub fn netmask(self) -> IpAddr {
        let ones = if self.first.is_ipv4() {
            IpAddr::V4(Ipv4Addr::BROADCAST)
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(u128::MAX))
        };
        self.start(ones)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_have_6_or_20_octets() {
        assert_eq!(HardwareAddress::parse("52-54-00-AA-00-01").unwrap().to_string(), "52:54:00:aa:00:01");
        let infiniband = ["80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:0c:30", "11"].join(":");
        assert_eq!(HardwareAddress::parse(&infiniband).unwrap().to_string(), infiniband);
        for (text, fault) in [
            ("52:54:00", "has 3 octets"),
            ("52:54:00:00:00:0g", "`0g`"),
            ("", "``"),
            ("+1:54:00:00:00:00", "`+1`"),
            (&"00:".repeat(300), "more than 20"),
        ] {
            assert!(HardwareAddress::parse(text).unwrap_err().contains(fault), "{text}");
        }
    }

    #[test]
    fn subnets_know_what_is_in_them() {
        let subnet = Subnet::parse("10.1.0.0/16").unwrap();
        assert!(subnet.contains("10.1.255.254".parse().unwrap()));
        assert!(!subnet.contains("10.2.0.1".parse().unwrap()));
        assert!(!subnet.contains("fd00::1".parse().unwrap()));
        assert_eq!(subnet.netmask().to_string(), "255.255.0.0");
        assert!(subnet.reserves("10.1.255.255".parse().unwrap()) && subnet.reserves("10.1.0.0".parse().unwrap()));
        assert!(!subnet.reserves("10.1.255.254".parse().unwrap()));
        assert!(subnet.overlaps(Subnet::parse("10.1.2.0/24").unwrap()));
        assert!(Subnet::parse("0.0.0.0/0").unwrap().overlaps(subnet));
        assert!(Subnet::parse("fd00::/8").unwrap().contains("fd55::1".parse().unwrap()));
        assert!(Subnet::parse("10.1.1.0/16").unwrap_err().contains("`10.1.0.0/16`"));
        assert!(Subnet::parse("10.1.1.0/33").is_err());
        assert!(Subnet::parse("10.1.1.0").is_err());
    }
}
