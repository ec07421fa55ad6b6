"""A guard that lets a test reach its own server by HTTP under any name; it judges every other address as usual."""

import ipaddress

from worker.outbound.guard import OutboundGuard, is_public


def local_guard(*hosts: str, scheme: str = "http", address: str = "127.0.0.1") -> OutboundGuard:
    """Resolves every name to the address; without hosts, allows every name."""
    return OutboundGuard(
        hosts or None,
        schemes=(scheme,),
        resolve=lambda host, port: [address],
        allows=lambda found: found == ipaddress.ip_address("127.0.0.1") or is_public(found),
    )
