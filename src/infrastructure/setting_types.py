"""The forms that values of the environment have. What is refused is told in one line that never quotes the value."""

import binascii
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from decimal import Decimal
from ipaddress import ip_network
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

import msgspec
from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from domain.errors import DomainError
from domain.money import Money
from infrastructure.hosts import is_near
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.tls import read_certificates, tls_context

_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+", re.ASCII)
_SECRET_KEY: Final = re.compile(r"sb_secret_[A-Za-z0-9_-]{8,}", re.ASCII)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def plain(value: str) -> str:
    """*value* without what surrounds it.

    Raises:
        ValueError: a quote, a blank or a control character is left.
    """
    text = value.strip()
    if "'" in text or '"' in text:
        raise ValueError("holds a quote: write the value without any (an env file may have kept them)")
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("holds a blank or a control character")
    return text


def _secret(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda value: SecretStr(check(value.get_secret_value())))


def _database_url(text: str) -> str:
    tls_context(DatabaseAddress.parse(text))  # the files that it names are there
    return text


def _url(text: str, schemes: set[str], example: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port  # read lazily, and only now found to be no number
    except ValueError:
        raise ValueError(f"must be an address such as {example}") from None
    if parts.scheme not in schemes or not parts.hostname or not text.isascii():
        raise ValueError(f"must be an address such as {example}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be an address without user, query or fragment")
    return parts


def _http_url(text: str) -> str:
    parts = _url(text, {"http", "https"}, "https://<ref>.supabase.co")
    host = parts.hostname or ""
    if parts.scheme == "http" and not is_near(host):
        raise ValueError("must be https, except on this machine and for a private name without a dot")
    return f"{_origin_of(parts)}{parts.path.rstrip('/')}"


def _supabase_url(text: str) -> str:
    url = _http_url(text)
    if urlsplit(url).path:
        raise ValueError("must be the project's address alone, without a path")
    return url


def _origin(text: str) -> str:
    """As browsers write it (RFC 6454, 6.2), so that it can be compared letter by letter."""
    if text == "*":
        return text
    parts = _url(text, {"http", "https", "capacitor", "ionic", "app", "tauri"}, "https://app.example.org")
    if parts.path not in {"", "/"}:
        raise ValueError("must be origins without a path, such as https://app.example.org")
    return _origin_of(parts)


def _origin_of(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _secret_key(text: str) -> str:
    if text.startswith("sb_publishable_"):
        raise ValueError("is a publishable key: the secret key is needed (sb_secret_...)")
    if not text.isascii() or "*" in text or "..." in text:
        raise ValueError("looks masked or cut: copy the whole key")
    if _SECRET_KEY.fullmatch(text):
        return text
    claims = _claims_of(text)
    role = claims.get("role")
    if role != "service_role":
        told = f" (its role is {role})" if role in {"anon", "authenticated"} else ""
        raise ValueError(
            f"must be a secret key (sb_secret_...) or a legacy key of the role service_role{told}"
        )
    if isinstance(ends := claims.get("exp"), int | float) and ends <= time.time():
        raise ValueError("is a legacy key that has expired")
    return text


def _claims_of(text: str) -> dict[str, object]:
    """What the JWT *text* claims, nothing verified; nothing if it is none."""
    if not (shape := _JWT.fullmatch(text)):
        return {}
    payload = shape.group(1)
    try:
        claims = msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, msgspec.DecodeError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _amount(text: str) -> Decimal:
    try:
        return Money.parse(text).amount
    except DomainError:
        raise ValueError("must be an amount above zero, such as 10 or 12.50") from None


def _rate_limit_url(text: str) -> str:
    if text == "memory://":
        return text
    try:
        parts = urlsplit(text)
        known = (
            parts.scheme in {"redis", "rediss", "valkey", "valkeys"} and parts.hostname and parts.port != 0
        )
    except ValueError:
        known = False
    if not known:
        raise ValueError(
            "must be memory:// or an address such as redis://host:6379/0, its password percent-encoded"
        )
    return text


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError("must be addresses or networks, such as 10.0.0.0/8, separated by commas") from None
    return text


def _matching(pattern: str, otherwise: str) -> Callable[[str], str]:
    form = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if not form.fullmatch(text):
            raise ValueError(otherwise)
        return text

    return check


def _words(value: object, check: Callable[[str], str]) -> object:
    """A list written with commas, each word of it checked, and none of it twice."""
    if not isinstance(value, str):
        return value
    return list(dict.fromkeys(check(plain(word)) for word in value.split(",") if word.strip()))


def _list_of(check: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: _words(value, check))


DatabaseUrl = Annotated[SecretStr, _secret(_database_url)]
SecretKey = Annotated[SecretStr, _secret(_secret_key)]
RateLimitUrl = Annotated[SecretStr, _secret(_rate_limit_url)]
Certificates = Annotated[str, AfterValidator(read_certificates)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
SupabaseUrl = Annotated[str, AfterValidator(_supabase_url)]
Amount = Annotated[
    Decimal, BeforeValidator(lambda value: _amount(value) if isinstance(value, str) else value)
]
Release = Annotated[
    str,
    AfterValidator(
        _matching(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", "may hold letters, digits and . _ + - alone")
    ),
]
Origins = Annotated[list[str], NoDecode, _list_of(_origin)]
Issuers = Annotated[list[str], NoDecode, _list_of(str)]
Networks = Annotated[list[str], NoDecode, _list_of(_network)]
HeaderNames = Annotated[
    list[str],
    NoDecode,
    _list_of(_matching(r"[A-Za-z0-9_-]+", "must be names of headers, separated by commas")),
]
ClientIds = Annotated[
    list[str],
    NoDecode,
    _list_of(_matching(r"[A-Za-z0-9_-]+", "must be ids of OAuth clients, separated by commas")),
]
