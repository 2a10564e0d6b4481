"""Which hosts are this machine, which are private, and what this process is called: one answer for all that asks."""

import os
import platform
from ipaddress import ip_address
from typing import Final

APPLICATION_NAME_LENGTH: Final = 63
"""Of ``application_name``: PostgreSQL cuts off the rest (NAMEDATALEN)."""


def is_this_machine(host: str) -> bool:
    """Whether *host* is this machine: a loopback address, ``localhost``, or a container's word for its host."""
    if host in {"localhost", "host.docker.internal"}:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_private_name(host: str) -> bool:
    """Whether *host* has no dot: a neighbour in a container network, which no public name server knows."""
    return "." not in host and ":" not in host


def is_near(host: str) -> bool:
    """Whether what is sent to *host* stays on this machine, or among the containers beside it."""
    return is_this_machine(host) or is_private_name(host)


def process_name(release: str) -> str:
    """What this process is called in the log, in ``pg_stat_activity`` and in the relay's lease.

    ``lingualink/<release> <host>:<pid>``, cut to what PostgreSQL keeps of a name; never the host or the pid.
    """
    place = f" {platform.node()[:30]}:{os.getpid()}"
    return f"lingualink/{release}"[: APPLICATION_NAME_LENGTH - len(place)] + place
