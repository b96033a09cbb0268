"""Limits the hosts of URLs: never a private network, not even for a vendor's URL.

*Our* machine opens a client's or vendor's URL, and can reach what its author cannot: databases, the cloud's metadata
service, other machines. A name proves nothing, since its owner can change its address at any time; so the resolved
address is checked (`videojobs.media.pinned_transport`).
"""

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from videojobs.settings import AccessSettings

# IANA's registry of special-purpose addresses, and public addresses that clouds use internally.
_SPECIAL_V4: Final = [
    IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # Azure's own services for a machine; AWS, Google and Oracle use 169.254.0.0/16
    )
]
_GLOBAL_V6: Final = IPv6Network("2000::/3")  # all allocated addresses; the rest is local, multicast or reserved
_SPECIAL_V6: Final = [
    IPv6Network("2001::/23"),  # protocols: Teredo and other tunnels to any IPv4 address
    IPv6Network("2001:db8::/32"),  # documentation, as 3fff::/20
    IPv6Network("2002::/16"),  # 6to4: a tunnel to the IPv4 address inside
    IPv6Network("3fff::/20"),
]
_NAT64: Final = IPv6Network("64:ff9b::/96")  # for networks without IPv4: the last 32 bits are the IPv4 address

# Names reserved for the local machine or its network (RFC 6761, 6762, 8375, 9476).
_LOCAL_HOST_NAME: Final = re.compile(r"(^|\.)(localhost|local|internal|localdomain|home\.arpa|alt)$")


@dataclass(frozen=True, slots=True)
class UrlPolicy:
    """The policy for one kind of URL. `allowed_hosts` are patterns, from the setting `setting_name`; none: any."""

    allowed_hosts: frozenset[str] = frozenset()
    allow_private: bool = False
    allow_http: bool = False
    setting_name: str = "VIDEOJOBS_INPUT_HOSTS"

    @classmethod
    def for_inputs(cls, access: AccessSettings) -> "UrlPolicy":
        """For clients' URLs."""
        return cls(access.input_hosts, access.allow_private_inputs, access.allow_plain_http)

    @classmethod
    def for_results(cls, access: AccessSettings) -> "UrlPolicy":
        """For vendors' URLs. Plain http is allowed: a result is decoded and validated before it is used."""
        return cls(access.result_hosts, access.allow_private_results, True, "VIDEOJOBS_RESULT_HOSTS")

    def host_error(self, host: str) -> str | None:
        """Why this host name is not allowed; None if it is."""
        name = host.lower().rstrip(".")
        if self.allowed_hosts and not any(_matches_pattern(name, pattern) for pattern in self.allowed_hosts):
            allowed = ", ".join(sorted(self.allowed_hosts))
            return f"leads to a host that is not allowed; {self.setting_name} allows {allowed}"
        address = parse_ip_literal(name)
        if not self.allow_private and (
            _LOCAL_HOST_NAME.search(name) or (address is not None and not is_public(address))
        ):
            return NOT_PUBLIC_MESSAGE
        return None

    def allows_address(self, address: str) -> bool:
        """Whether a connection may go to this address."""
        return self.allow_private or is_public(address)


# The same message for unknown names, so that it does not reveal which internal names exist.
NOT_PUBLIC_MESSAGE: Final = "does not lead to a public address; use a link that anyone on the internet can open"


def is_public(address: str) -> bool:
    """Whether an address is global: the same machine for everyone on the internet."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _SPECIAL_V4)
    if (embedded := _embedded_ipv4(parsed)) is not None:
        return is_public(str(embedded))
    return parsed in _GLOBAL_V6 and not any(parsed in network for network in _SPECIAL_V6)


def _embedded_ipv4(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an address embeds or tunnels to."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped


def parse_ip_literal(host: str) -> str | None:
    """The address, if the host is an IP literal in any form that the C library accepts.

    127.1, 0x7f000001, 017700000001 and 2130706433 all are 127.0.0.1.
    """
    with suppress(ValueError):
        return str(ip_address(host.strip("[]")))
    with suppress(OSError):
        return socket.inet_ntoa(socket.inet_aton(host))
    return None


def _matches_pattern(name: str, pattern: str) -> bool:
    """`*.example.com` matches every subdomain, and not the domain itself."""
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern
