"""Where a request comes from, as far as we may believe it."""

import ipaddress

from django.conf import settings

BROWSER_LENGTH = 120


def client_address(request) -> str:
    """The client's address: the one that the outermost of TRUSTED_PROXIES proxies saw.

    Never the first value of X-Forwarded-For, which anybody writes. Returns an empty string when the
    address is not one (a socket, a forged header).
    """
    address = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXIES:
        hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(hops) >= settings.TRUSTED_PROXIES:
            address = hops[-settings.TRUSTED_PROXIES].strip()
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return ""


def counted_address(address: str) -> str:
    """What limits count: the address, or its /64 for IPv6, where one home owns billions of addresses."""
    return _network(address, v4=32, v6=64)


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
