//! Hardware addresses of Ethernet and InfiniBand: parse what people write, print one form.

use std::fmt;

/// A hardware address: 6 octets (Ethernet), 20 (IP over InfiniBand, RFC 4391), or the 8 of a port's GUID (EUI-64)
/// where a site knows no more of an InfiniBand port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardwareAddress {
    octets: [u8; 20],
    length: u8,
}

/// What InfiniBand clients put before the GUID in their client identifier (RFC 4390, section 2.1): type 255, no IAID,
/// a DUID of the vendor's own (RFC 8415, section 11.3) with Mellanox's enterprise number.
const GUID_CLIENT_ID: [u8; 12] = [0xff, 0, 0, 0, 0, 0, 2, 0, 0, 2, 0xc9, 0];

/// The hardware type of InfiniBand in DHCP (RFC 4390, section 2.1).
const INFINIBAND: u8 = 32;

impl HardwareAddress {
    /// Parses the usual spellings: octets or groups of four digits with `:`, `-` or `.` between them, or digits alone,
    /// with `0x` before them or not.
    ///
    /// # Errors
    /// A sentence of what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        let groups: Vec<&str> = digits.split([':', '-', '.']).collect();
        // Alone, or in groups of four, digits stand in pairs; else a group is an octet.
        let in_pairs = groups.iter().all(|group| group.len() == 4) || groups.len() == 1 && digits.len() > 2;
        let mut octets = [0; 20];
        let mut length = 0_u8;
        for group in groups {
            let mut rest = group;
            while !rest.is_empty() || group.is_empty() {
                let pair = if in_pairs { rest.get(..2).unwrap_or(rest) } else { rest };
                let hexadecimal = (1..=2).contains(&pair.len()) && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
                let octet = hexadecimal.then(|| u8::from_str_radix(pair, 16).ok()).flatten();
                let Some(octet) = octet.filter(|_| !in_pairs || pair.len() == 2) else {
                    return Err(format!("`{pair}` in the hardware address `{text}` is not two hexadecimal digits"));
                };
                match octets.get_mut(usize::from(length)) {
                    Some(place) => *place = octet,
                    None => return Err(format!("the hardware address `{text}` has more than 20 octets")),
                }
                length += 1;
                rest = &rest[pair.len()..];
            }
        }
        if octets == [0; 20] && length > 0 {
            return Err(format!("the hardware address `{text}` is all zeros, which is nobody's"));
        }
        match length {
            6 | 8 | 20 => Ok(Self { octets, length }),
            other => Err(format!(
                "the hardware address `{text}` has {other} octets; Ethernet has 6, InfiniBand 20, a GUID 8"
            )),
        }
    }

    /// The octets: 6, 8 or 20.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }

    /// The address that is `step` after this one, where its last three octets have room for it.
    pub fn plus(mut self, step: u32) -> Option<Self> {
        let end = usize::from(self.length);
        let low = u32::from_be_bytes([0, self.octets[end - 3], self.octets[end - 2], self.octets[end - 1]]);
        let sum = low.checked_add(step).filter(|sum| *sum < 1 << 24)?;
        self.octets[end - 3..end].copy_from_slice(&sum.to_be_bytes()[1..]);
        Some(self)
    }

    /// Whether it is that of an InfiniBand port.
    pub fn is_infiniband(&self) -> bool {
        self.length != 6
    }

    /// The GUID of an InfiniBand port: the last 8 of its 20 octets (RFC 4391, section 9.1.1).
    pub fn guid(&self) -> Option<[u8; 8]> {
        self.octets().last_chunk::<8>().copied().filter(|_| self.is_infiniband())
    }

    /// The hardware address by which a DHCP server knows the client. Of an InfiniBand port it is the one that iPXE
    /// makes of the GUID (`ipoib.c`, mask 0xe7), since 20 octets have no room in a packet (RFC 4390).
    #[must_use]
    pub fn ethernet(&self) -> Self {
        let Some(guid) = self.guid() else { return *self };
        let mut octets = [0; 20];
        octets[..3].copy_from_slice(&guid[..3]);
        octets[3..6].copy_from_slice(&guid[5..]);
        Self { octets, length: 6 }
    }

    /// The DHCP client identifiers (option 61) of an InfiniBand port, the likeliest first: that of RFC 4390, and that
    /// of early iPXE and gPXE, the hardware type and the whole address. Empty for Ethernet.
    pub fn client_ids(&self) -> Vec<Vec<u8>> {
        let Some(guid) = self.guid() else { return Vec::new() };
        let mut ids = vec![[&GUID_CLIENT_ID[..], &guid].concat()];
        if self.length == 20 {
            ids.push([&[INFINIBAND], self.octets()].concat());
        }
        ids
    }

    /// With `-` between octets, as iPXE (`:hexhyp`) and PXELINUX write it in the names of files.
    pub fn hyphenated(&self) -> String {
        self.to_string().replace(':', "-")
    }

    /// The name of the file that PXELINUX and GRUB look for: hardware type and address.
    pub fn file_name(&self) -> String {
        format!("{}-{}", if self.is_infiniband() { "20" } else { "01" }, self.hyphenated())
    }
}

/// Octets in hexadecimal with `:` between them.
pub fn colons(octets: &[u8]) -> String {
    let pairs: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    pairs.join(":")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_is_one_address() {
        for text in ["52:54:00:aa:00:01", "52-54-00-AA-00-01", "5254.00aa.0001", "525400aa0001", "52:54:0:aa:0:1"] {
            assert_eq!(HardwareAddress::parse(text).unwrap().to_string(), "52:54:00:aa:00:01", "{text}");
        }
        for text in ["0x0002c903000c3011", "0002:c903:000c:3011", "00:02:c9:03:00:0c:30:11", "0002c903000c3011"] {
            assert_eq!(HardwareAddress::parse(text).unwrap().to_string(), "00:02:c9:03:00:0c:30:11", "{text}");
        }
        let infiniband = "80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:0c:30:11";
        for text in [infiniband.to_owned(), infiniband.replace(':', ""), infiniband.replace(':', "-").to_uppercase()] {
            assert_eq!(HardwareAddress::parse(&text).unwrap().to_string(), infiniband, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        for (text, fault) in [
            ("52:54:00", "has 3 octets"),
            ("52:54:00:00:00:0g", "`0g`"),
            ("", "``"),
            ("+1:54:00:00:00:00", "`+1`"),
            ("52::54:00:00:00", "``"),
            ("525400aa000", "`0`"),
            ("5254:00aa:000", "`5254`"),
            ("52:54:00:00:00:ü", "`ü`"),
            (&"00:".repeat(300), "more than 20"),
            (&"0".repeat(300), "more than 20"),
        ] {
            let said = HardwareAddress::parse(text).unwrap_err();
            assert!(said.contains(fault), "{text}: {said}");
        }
    }

    #[test]
    fn an_infiniband_port_is_known_by_its_guid() {
        let port = HardwareAddress::parse("80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:0c:30:11").unwrap();
        let ids: Vec<_> = port.client_ids().iter().map(|id| colons(id)).collect();
        // The first is the example of the vendor's own manual for boot over InfiniBand.
        assert_eq!(ids[0], "ff:00:00:00:00:00:02:00:00:02:c9:00:00:02:c9:03:00:0c:30:11");
        assert_eq!(ids[1], format!("20:{port}"));
        assert_eq!(port.ethernet().to_string(), "00:02:c9:0c:30:11");
        assert_eq!(port.file_name(), format!("20-{}", port.hyphenated()));
        let guid = HardwareAddress::parse("0x0002c903000c3011").unwrap();
        assert_eq!((guid.guid(), guid.ethernet()), (port.guid(), port.ethernet()));
        assert_eq!(guid.client_ids(), port.client_ids()[..1]);
        let ethernet = HardwareAddress::parse("52:54:00:aa:00:01").unwrap();
        assert_eq!((ethernet.guid(), ethernet.client_ids().len(), ethernet.ethernet()), (None, 0, ethernet));
        assert_eq!(ethernet.plus(0x100).unwrap().to_string(), "52:54:00:aa:01:01");
        assert_eq!(HardwareAddress::parse("52:54:00:ff:ff:ff").unwrap().plus(1), None);
    }
}
