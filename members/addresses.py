"""Where a request comes from, as far as we may believe it."""

import ipaddress
import re

from django.conf import settings

BROWSER_LENGTH = 120
UNKNOWN = "unknown"

# Some proxies write the port beside the address: 198.51.100.7:4711, [2001:db8::1]:4711
WITH_PORT = re.compile(r"\[([^\[\]]+)\](?::\d+)?|([\d.]+):\d+")


def client_address(request) -> str:
    """The client's address: the one that the outermost of TRUSTED_PROXIES proxies saw.

    Never the first value of X-Forwarded-For, which anybody writes. Where it cannot be read (a forged
    header), the address of whoever speaks to us; an empty string when that is none (a socket).
    """
    peer = request.META.get("REMOTE_ADDR", "")
    seen = peer
    if settings.TRUSTED_PROXIES:
        hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(hops) >= settings.TRUSTED_PROXIES:
            seen = hops[-settings.TRUSTED_PROXIES]
    return _read(seen) or _read(peer)


def _read(written: str) -> str:
    """The address alone, without port or zone (fe80::1%eth0); an empty string when it is none."""
    written = written.strip()
    beside_port = WITH_PORT.fullmatch(written)
    address = (beside_port[1] or beside_port[2]) if beside_port else written
    try:
        return str(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return ""


def counted_address(address: str) -> str:
    """What limits count: the address, or its /64 for IPv6, where one home owns billions of addresses.

    Never empty: those whose address nobody knows share one count.
    """
    return _network(address, v4=32, v6=64) or UNKNOWN


def shown_prefix(address: str) -> str:
    """What a page may show of an address: its /24, or its /48 for IPv6."""
    return _network(address, v4=24, v6=48)


def browser(request) -> str:
    return request.META.get("HTTP_USER_AGENT", "").replace("\0", "")[:BROWSER_LENGTH]


def _network(address: str, v4: int, v6: int) -> str:
    if not address:
        return ""
    ip = ipaddress.ip_address(address)
    if ip.version == 6 and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    bits = v4 if ip.version == 4 else v6
    return str(ipaddress.ip_network(f"{ip}/{bits}", strict=False))
