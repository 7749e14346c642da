//! What fuzzing enters the server by: a request line and the headers of proxies, as bytes of anybody. Apart from the
//! other entries, because a compiler without the server has none of this.

use std::net::IpAddr;

use kgen::inventory::subnet::Subnet;
use kgen::server::access::client_address;
use kgen::server::request::{pairs, parts};
use kgen::server::route::Route;

/// A target and what proxies say, in lines of these bytes, if they are text.
pub fn request(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let target = lines.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    routed(path);
    if let Some(pairs) = pairs(query) {
        assert!(pairs.len() <= query.split('&').count());
    }
    forwarded(&lines.collect::<Vec<_>>());
}

/// No path leads upwards or is read twice, and slashes too many change nothing.
fn routed(path: &str) {
    let Some(parts) = parts(path) else { return };
    for part in &parts {
        assert!(!matches!(part.as_str(), "" | "." | ".."), "{path:?}: {part:?}");
        assert!(!part.contains(|c: char| c.is_control() || matches!(c, '/' | '\\')), "{path:?}: {part:?}");
    }
    let known: Vec<&str> = parts.iter().map(String::as_str).collect();
    let route = Route::of(&known);
    assert!(!route.word().is_empty());
    let again = self::parts(&path.replace('/', "//")).unwrap_or_default();
    assert_eq!(again, parts, "{path:?}");
}

/// Who is no proxy is believed nothing; behind one it is the last that is none.
fn forwarded(lines: &[&str]) {
    let proxies: Vec<Subnet> = Subnet::parse("10.9.0.0/24").into_iter().collect();
    let trusted = |address: IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    let (stranger, proxy) = (IpAddr::from([10, 1, 0, 5]), IpAddr::from([10, 9, 0, 1]));
    assert_eq!(client_address(stranger, lines, &proxies), stranger);
    assert_eq!(client_address(proxy, lines, &[]), proxy);
    let seen = client_address(proxy, lines, &proxies);
    let last = lines.iter().flat_map(|line| line.split(',')).next_back();
    let last = last.and_then(|hop| hop.trim().parse::<IpAddr>().ok()).map(|address| address.to_canonical());
    match last {
        None => assert_eq!(seen, proxy, "{lines:?}"),
        Some(last) if !trusted(last) => assert_eq!(seen, last, "{lines:?}"),
        Some(_) => {}
    }
}
