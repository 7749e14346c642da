"""DHCP messages made and read by hand: DHCPv4 in frames of Ethernet, DHCPv6 as a datagram."""
import ipaddress
import socket
import struct

COOKIE = bytes([99, 130, 83, 99])
MESSAGE_TYPE, SERVER_ID = 53, 54
DISCOVER, OFFER, REQUEST, ACKNOWLEDGED = 1, 2, 3, 5
SOLICIT, ADVERTISE, REQUEST6, REPLY = 1, 2, 3, 7
# netmask, router, dns, host, domain, mtu, vendor options, lease, vendor class, TFTP server, file, iPXE's options
WANTED = bytes([1, 3, 6, 12, 15, 26, 43, 51, 60, 66, 67, 175])


def octets(text):
    return bytes.fromhex(text.replace(":", ""))


def option(code, value):
    return bytes([code, len(value)]) + value


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def question(case, transaction, taken):
    """A DISCOVER, or the REQUEST of what was offered: (address, server). A client of InfiniBand has no room for its
    address (RFC 4390): it tells an identifier."""
    kind = case.get("htype", 1)
    address = octets(case["mac"]) if kind == 1 else b""
    relay = socket.inet_aton(case.get("giaddr", "0.0.0.0"))
    hops, broadcast = (1, 0) if "giaddr" in case else (0, 0x8000)
    head = struct.pack("!4BIHH12x4s16s192x", 1, kind, len(address), hops, transaction, 0, broadcast, relay, address)
    options = option(MESSAGE_TYPE, bytes([REQUEST if taken else DISCOVER])) + option(55, WANTED)
    if taken:
        options += option(50, taken[0]) + option(SERVER_ID, taken[1])
    if "arch" in case:
        options += option(93, struct.pack("!H", case["arch"])) + option(94, b"\1\3\x10")
    if "vendor_class" in case:
        options += option(60, case["vendor_class"].encode())
    if "user_class" in case:
        options += option(77, case["user_class"].encode())
    if "client_id" in case:
        options += option(61, octets(case["client_id"]))
    return (head + COOKIE + options + b"\xff").ljust(300, b"\0")


def frame(case, transaction, sender, server_hardware, server_address, taken=None):
    """A question as a broadcast, or as a relay sends it on: from its giaddr to the server's address."""
    payload = question(case, transaction, taken)
    relayed = "giaddr" in case
    source, target = (case["giaddr"], server_address) if relayed else ("0.0.0.0", "255.255.255.255")
    datagram = struct.pack("!4H", 67 if relayed else 68, 67, 8 + len(payload), 0) + payload
    start, addresses = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17), \
        socket.inet_aton(source) + socket.inet_aton(target)
    header = start + struct.pack("!H", checksum(start + b"\0\0" + addresses)) + addresses
    ethernet = (server_hardware if relayed else b"\xff" * 6) + sender + b"\x08\x00"
    return ethernet + header + datagram


def message(received, transaction):
    """The DHCP message in a frame, if it is a server's that answers this transaction."""
    if len(received) < 282 or received[12:14] != b"\x08\x00" or received[23] != 17:
        return None
    datagram = received[14 + 4 * (received[14] & 15):]
    reply = datagram[8:]
    mine = datagram[:2] == b"\0\x43" and reply[:1] == b"\2" and reply[4:8] == struct.pack("!I", transaction)
    return reply if mine and reply[236:240] == COOKIE else None


def options_of(data):
    """Options by code; the parts of one that is given in several are put together (RFC 3396)."""
    found, at = {}, 0
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        length = data[at + 1]
        found[data[at]] = found.get(data[at], b"") + data[at + 2:at + 2 + length]
        at += 2 + length
    return found


def text(value):
    return value.rstrip(b"\0").decode(errors="replace") or None if value else None


def addresses(value):
    return [socket.inet_ntoa(value[at:at + 4]) for at in range(0, len(value or b""), 4)]


def number(value):
    return int.from_bytes(value, "big") if value else None


def kind_of(reply):
    return options_of(reply[240:]).get(MESSAGE_TYPE, b"\0")[0]


def to_take(reply):
    return reply[16:20], options_of(reply[240:])[SERVER_ID]


def offer(reply):
    """What a server offers or leases, in words."""
    options = options_of(reply[240:])
    ipxe = options_of(options.get(175, b""))
    return {
        "address": socket.inet_ntoa(reply[16:20]),
        "next_server": socket.inet_ntoa(reply[20:24]),
        "file": text(options.get(67)) or text(reply[108:236].split(b"\0")[0]),
        "vendor_class": text(options.get(60)),
        "host": text(options.get(12)),
        "domain": text(options.get(15)),
        "netmask": (addresses(options.get(1)) or [None])[0],
        "router": (addresses(options.get(3)) or [None])[0],
        "dns": addresses(options.get(6)),
        "mtu": number(options.get(26)),
        "lease": number(options.get(51)),
        "no_proxy": number(ipxe.get(176)),
    }


def option6(code, value):
    return struct.pack("!HH", code, len(value)) + value


def question6(case, transaction, taken):
    """A Solicit, or the Request of what was advertised: (identifier of the server, lease). Where the case has no DUID
    it is made from the MAC address (DUID-LL)."""
    duid = octets(case["duid"]) if "duid" in case else b"\0\3\0\1" + octets(case["mac"])
    server, lease = taken or (b"", b"")
    options = option6(1, duid) + option6(8, b"\0\0") + option6(6, struct.pack("!3H", 23, 24, 59))
    options += option6(3, struct.pack("!III", case.get("iaid", 1), 0, 0) + lease)
    if taken:
        options += option6(2, server)
    if "arch" in case:
        options += option6(61, struct.pack("!H", case["arch"]))
    if "user_class" in case:
        word = case["user_class"].encode()
        options += option6(15, struct.pack("!H", len(word)) + word)
    if "vendor_class" in case:
        word = case["vendor_class"].encode()
        options += option6(16, struct.pack("!IH", 343, len(word)) + word)
    return bytes([REQUEST6 if taken else SOLICIT]) + transaction.to_bytes(3, "big") + options


def options6_of(data):
    found, at = {}, 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from("!HH", data, at)
        found[code] = data[at + 4:at + 4 + length]
        at += 4 + length
    return found


def message6(received, transaction, wanted):
    mine = received[:1] == bytes([wanted]) and received[1:4] == transaction.to_bytes(3, "big")
    return received if mine else None


def to_take6(reply):
    options = options6_of(reply[4:])
    return options[2], options[3][12:]


def offer6(reply):
    """What a server advertises or leases, in words."""
    options = options6_of(reply[4:])
    leased = options6_of(options.get(3, b"")[12:]).get(5)
    name_servers = options.get(23, b"")
    vendor = options.get(16)
    return {
        "address": str(ipaddress.IPv6Address(leased[:16])) if leased else None,
        "file": text(options.get(59)),
        "vendor_class": text(vendor[6:]) if vendor else None,
        "dns": [str(ipaddress.IPv6Address(name_servers[at:at + 16])) for at in range(0, len(name_servers), 16)],
    }
