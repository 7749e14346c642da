//! Subnets and ranges of IP addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
        self.prefix < 31 && address.is_ipv4() && (address == self.first || address == self.last())
    }

    /// Whether any address is in both.
    pub fn overlaps(self, other: Subnet) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }

    /// The last address.
    pub fn last(self) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => {
                let hosts = u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(first.to_bits() | hosts))
            }
            IpAddr::V6(first) => {
                let hosts = u128::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(first.to_bits() | hosts))
            }
        }
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

/// Addresses from one to another, both with it: `10.1.200.1-10.1.200.99`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpRange {
    /// The first.
    pub first: IpAddr,
    /// The last; of the same family, and not before the first.
    pub last: IpAddr,
}

impl IpRange {
    /// Parses `FIRST-LAST`.
    ///
    /// # Errors
    /// A sentence of what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('-').and_then(|(first, last)| {
            Some((first.trim().parse::<IpAddr>().ok()?, last.trim().parse::<IpAddr>().ok()?))
        });
        match parsed {
            Some((first, last)) if first.is_ipv4() == last.is_ipv4() && first <= last => Ok(Self { first, last }),
            Some((first, last)) if first.is_ipv4() == last.is_ipv4() => {
                Err(format!("`{text}` ends before it begins; write `{last}-{first}`"))
            }
            _ => Err(format!("`{text}` is not a range of addresses such as `10.1.200.1-10.1.200.99`")),
        }
    }

    /// Whether the address is one of the range.
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && (self.first..=self.last).contains(&address)
    }
}

/// The address that is `step` away; `None` where there is none of this family.
pub fn stepped(address: IpAddr, step: i64) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => {
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(i64::from(address.to_bits()).checked_add(step)?).ok()?))
        }
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits().checked_add_signed(step.into())?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn ranges_are_of_one_family_and_forward() {
        let range = IpRange::parse("10.1.200.1-10.1.200.99").unwrap();
        assert!(range.contains("10.1.200.50".parse().unwrap()) && !range.contains("fd00::1".parse().unwrap()));
        assert!(IpRange::parse("10.1.0.9-10.1.0.1").unwrap_err().contains("`10.1.0.1-10.1.0.9`"));
        assert!(IpRange::parse("10.1.0.9-fd00::1").is_err() && IpRange::parse("10.1.0.9").is_err());
        assert_eq!(stepped("10.0.0.255".parse().unwrap(), 1), "10.0.1.0".parse().ok());
        assert_eq!(stepped("0.0.0.0".parse().unwrap(), -1), None);
        assert_eq!(stepped("fd00::".parse().unwrap(), -1), "fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().ok());
    }
}
