"""The request headers that routes understand, and who sent a request: the peer, or whom a trusted proxy names."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Annotated, Any, Final

from litestar import Request
from litestar.params import HeaderParameter

from domain.audit import RequestInfo
from web.problems import HttpProblem

_VERSION: Final = re.compile(r'"([1-9][0-9]{0,9})"', re.ASCII)
_WEIGHT: Final = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?", re.ASCII)

# Declared for the OpenAPI document; the header itself is read below, so that a repeated one is seen.
IfMatchHeader = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match", description='The version of the post that was seen: `"3"`. Required to approve.'
    ),
]


_MAX_LENGTH: Final = 64
"""An address with a zone and a port is shorter; what is longer is nobody's."""


@lru_cache(4096)
def canonical_address(text: str) -> str | None:
    """The address in *text* in its one spelling, None where it holds none.

    An IPv4 address in IPv6's form (``::ffff:192.0.2.1``, what a dual-stack socket shows) is the IPv4 address. A port
    is dropped.
    """
    address = _parse(text)
    return None if address is None else str(address)


@lru_cache(4096)
def client_network(text: str) -> str:
    """Whom an address without a session is counted as: itself, or its /64 in IPv6, which one customer has whole."""
    address = _parse(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return text[:_MAX_LENGTH] if address is None else str(address)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    if len(text) > _MAX_LENGTH:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class TrustedProxies:
    """The proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed.

    The client is the right-most address of ``X-Forwarded-For`` that is no trusted proxy itself: what stands left of
    it, anybody could have written.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ip_network(network, strict=False) for network in networks]
        self._trusts = lru_cache(4096)(self._is_trusted)

    def _is_trusted(self, host: str) -> bool:
        address = _parse(host)
        return address is not None and any(address in network for network in self._networks)

    def apply(self, scope: Any) -> None:
        """Set client (in its one spelling) and scheme of *scope*, an ASGI HTTP scope."""
        peer = scope["client"]
        if peer is None:
            return
        host, port = canonical_address(peer[0]) or peer[0], peer[1]
        if self._networks and self._trusts(host):
            forwarded, scheme = self._forwarded(scope["headers"])
            if scheme in {"http", "https"}:
                scope["scheme"] = scheme
            if forwarded:
                clients = (one for one in reversed(forwarded) if not self._trusts(one))
                chosen = next(clients, forwarded[0])
                host, port = canonical_address(chosen) or chosen[:_MAX_LENGTH], 0
        if host != peer[0] or port != peer[1]:
            scope["client"] = (host, port)

    @staticmethod
    def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> tuple[list[str], str]:
        """The addresses of X-Forwarded-For from left to right, and the last word of X-Forwarded-Proto."""
        hosts: list[str] = []
        scheme = ""
        for name, value in headers:
            if name == b"x-forwarded-for":
                hosts += [host for part in value.decode("latin-1").split(",") if (host := part.strip())]
            elif name == b"x-forwarded-proto":
                scheme = value.decode("latin-1").rpartition(",")[2].strip().lower()
        return hosts, scheme


def values_of(scope: Mapping[str, Any], name: bytes) -> list[bytes]:
    """The values of the header *name* (lower case), one for each time that it stands in the request."""
    return [value for sent, value in scope["headers"] if sent == name]


def accepts_rather(scope: Mapping[str, Any], wanted: str, usual: str) -> bool:
    """Whether ``Accept`` (RFC 9110, section 12.5.1) names the media type *wanted* and likes *usual* no better.

    A range whose weight is malformed says nothing.
    """
    sent = b",".join(values_of(scope, b"accept")).decode("latin-1").lower()
    weights: dict[str, float] = {}
    for part in sent.split(","):
        media_range, *parameters = (word.strip() for word in part.split(";"))
        given = [word.removeprefix("q=") for word in parameters if word.startswith("q=")] or ["1"]
        if _WEIGHT.fullmatch(given[0]):
            weights[media_range] = float(given[0])
    ranges = (usual, f"{usual.partition('/')[0]}/*", "*/*")
    of_usual = next((weights[one] for one in ranges if one in weights), 0.0)
    return weights.get(wanted, 0.0) > 0 and weights[wanted] >= of_usual


def seen_version(request: Request[Any, Any, Any]) -> int | None:
    """The version in ``If-Match`` (RFC 9110, section 13.1.1); None without the header.

    Raises:
        HttpProblem: it is not one quoted version.
    """
    sent = values_of(request.scope, b"if-match")
    if not sent:
        return None
    version = _VERSION.fullmatch(sent[0].decode("latin-1"))
    if len(sent) > 1 or version is None:
        raise HttpProblem("invalid_request", 'If-Match is one quoted version, such as "3".')
    return int(version.group(1))


def request_info(request: Request[Any, Any, Any]) -> RequestInfo:
    """Where the request came from, for the audit log: our id of it, and the client's address if it is one."""
    client = request.scope["client"]
    return RequestInfo(
        request_id=str(request.scope["state"]["request_id"]),
        client_address=None if client is None else canonical_address(client[0]),
    )
