//! A request as the routes see it: nothing of HTTP's own types, nothing that was not looked at.

use std::net::IpAddr;

use crate::inventory::address::HardwareAddress;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET, or HEAD, which is answered alike without a body.
    Get {
        /// Whether it is HEAD.
        head: bool,
    },
    /// POST.
    Post,
    /// DELETE.
    Delete,
    /// Something else, which nothing takes.
    Other,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// From the network.
    Address(IpAddr),
    /// Through the socket of operators, as this user.
    Socket(u32),
}

impl Client {
    /// The address, or none of who is here.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Socket(_) => None,
        }
    }

    /// For logs and events.
    pub fn shown(self) -> String {
        match self {
            Self::Address(address) => address.to_string(),
            Self::Socket(user) => format!("user {user}"),
        }
    }
}

/// A request.
#[derive(Debug)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// The parts of the path, decoded, none of them empty, `.` or `..`.
    pub path: Vec<String>,
    /// The pairs of the query, decoded.
    pub query: Vec<(String, String)>,
    /// Who asks.
    pub client: Client,
    /// The bearer token, where there is one.
    pub bearer: Option<String>,
    /// What an installer tells of its ports (`X-RHN-Provisioning-MAC-0`, ..).
    pub addresses: Vec<HardwareAddress>,
    /// `Range`.
    pub range: Option<String>,
    /// `If-Range`.
    pub if_range: Option<String>,
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
    /// The body, where there is one.
    pub body: Vec<u8>,
    /// For the logs and for who asks.
    pub id: u64,
}

impl Request {
    /// The value of a key of the query, the first if there are several.
    pub fn asked(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The parts of the path.
    pub fn parts(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// Whether it is HEAD.
    pub fn is_head(&self) -> bool {
        self.method == Method::Get { head: true }
    }
}

/// The parts of a path: empty ones are left out, because firmware writes `//`. `None` of a path that leads upwards or
/// cannot be the path of a file.
pub fn parts(path: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let part = decoded(part, false)?;
        let good = part != "." && part != ".." && !part.contains(['/', '\\', '\0']) && !part.is_empty();
        if !good || part.chars().any(char::is_control) {
            return None;
        }
        parts.push(part);
    }
    Some(parts)
}

/// The pairs of a query; `None` where something is no text.
pub fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name, true)?, decoded(value, true)?))
    };
    query.split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

/// Text without its percent signs (RFC 3986, section 2.1), once.
fn decoded(text: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if plus_is_space => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_once_and_never_lead_upwards() {
        assert_eq!(parts("//ks///compute-0-0.ks").unwrap(), ["ks", "compute-0-0.ks"]);
        assert_eq!(parts("/a%20b/%2541").unwrap(), ["a b", "%41"]);
        for bad in ["/../x", "/a/%2e%2e/b", "/a%2fb", "/a%5cb", "/%00", "/%zz", "/%", "/a/./b", "/%ff", "/a%0ab"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn queries_are_pairs() {
        let asked = pairs("a=1&b=%26+x&&c").unwrap();
        assert_eq!(asked[1], ("b".to_owned(), "& x".to_owned()));
        assert_eq!(asked[2], ("c".to_owned(), String::new()));
        assert_eq!(pairs("a=%ff"), None);
    }
}
