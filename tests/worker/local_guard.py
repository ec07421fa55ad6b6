"""A guard that lets a test reach its own server by HTTP, under whatever name; every other address is judged as ever."""

import ipaddress

from worker.outbound.guard import OutboundGuard, is_public


def local_guard(*hosts: str, scheme: str = "http", address: str = "127.0.0.1") -> OutboundGuard:
    """All names have the address; without hosts any name will do."""
    return OutboundGuard(
        hosts or None,
        schemes=(scheme,),
        resolve=lambda host, port: [address],
        allows=lambda found: found == ipaddress.ip_address("127.0.0.1") or is_public(found),
    )
