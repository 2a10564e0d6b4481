"""Whose request it is: addresses in one spelling, and proxies that are trusted by it."""

from typing import Any

import pytest

from web.headers import TrustedProxies, canonical_address

PROXIES = TrustedProxies(["10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48"])


def client_of(peer: str, *forwarded: str, scheme: str | None = None) -> tuple[str, str]:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    if scheme is not None:
        headers.append((b"x-forwarded-proto", scheme.encode()))
    scope: dict[str, Any] = {"client": (peer, 1234), "headers": headers, "scheme": "http"}
    PROXIES.apply(scope)
    return scope["client"][0], scope["scheme"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:DB8::1]:4711", "2001:db8::1"),
        ("2001:0db8:0:0::1", "2001:db8::1"),
        ("localhost", None),
        ("", None),
        ("1.2.3.4, 5.6.7.8", None),
        ("9" * 5000, None),
    ],
)
def test_an_address_has_one_spelling(text: str, address: str | None) -> None:
    assert canonical_address(text) == address


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["198.51.100.1, 10.9.9.9, ::ffff:192.0.2.7"], "198.51.100.1"),
        ("10.1.2.3", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["198.51.100.1:55555"], "198.51.100.1"),
        ("2001:db8:1::5", ["[2001:db8:2::1]:443"], "2001:db8:2::1"),
        ("10.1.2.3", ["10.4.4.4, 10.5.5.5"], "10.4.4.4"),
        ("10.1.2.3", ["unknown"], "unknown"),
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", [" , "], "10.1.2.3"),
        ("::ffff:203.0.113.5", [], "203.0.113.5"),
    ],
)
def test_the_client_is_the_right_most_who_is_no_trusted_proxy(
    peer: str, forwarded: list[str], client: str
) -> None:
    assert client_of(peer, *forwarded)[0] == client


@pytest.mark.parametrize(
    ("peer", "said", "scheme"),
    [
        ("10.1.2.3", "https", "https"),
        ("::ffff:10.1.2.3", "https", "https"),
        ("10.1.2.3", "http, https", "https"),
        ("10.1.2.3", "gopher", "http"),
        ("203.0.113.5", "https", "http"),
    ],
)
def test_the_scheme_is_what_a_trusted_proxy_says(peer: str, said: str, scheme: str) -> None:
    assert client_of(peer, scheme=said)[1] == scheme
