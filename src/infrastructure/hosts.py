"""Which hosts are this machine, and which are private: one answer for all that asks."""

from ipaddress import ip_address


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
