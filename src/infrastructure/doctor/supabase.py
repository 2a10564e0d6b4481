"""Supabase Auth beside the database: its signing keys and its issuer."""

from collections.abc import Sequence

import httpx
import msgspec

from infrastructure.doctor.findings import Finding, error, warning
from infrastructure.settings import Settings
from infrastructure.supabase.jwks import JwksMalformed, parse_jwks

TIMEOUT_S = 5


class _Configuration(msgspec.Struct):
    issuer: str


async def check_signing_keys(settings: Settings) -> Sequence[Finding]:
    """Find out whether tokens can be verified, and whether the legacy secret is still needed."""
    url = settings.jwks_url
    fix = "check SUPABASE_URL and SUPABASE_JWKS_URL"
    has_secret = settings.supabase_jwt_secret is not None
    tell = warning if has_secret else error  # its tokens are good whatever the endpoint does
    try:
        async with _client(settings) as http:
            answer = await http.get(url)
    except httpx.HTTPError as failure:
        return [tell("signing_keys_unreachable", f"{url} does not answer ({type(failure).__name__})", fix)]
    if answer.status_code != httpx.codes.OK:
        return [tell("signing_keys_unreachable", f"{url} answers {answer.status_code}", fix)]
    try:
        keys = parse_jwks(answer.content, local_development=settings.is_local)
    except JwksMalformed as fault:
        return [tell("signing_keys_unreachable", f"{url} answers with no key set ({fault})", fix)]
    if not keys and not has_secret:
        return [
            error(
                "signing_keys_unusable",
                f"{url} holds no key to verify tokens with",
                "switch the project to asymmetric signing keys (ES256, RS256 or EdDSA), or set SUPABASE_JWT_SECRET",
            )
        ]
    if keys and has_secret:
        return [
            warning(
                "legacy_secret_accepted",
                "the project publishes signing keys, and HS256 tokens are still accepted (SUPABASE_JWT_SECRET)",
                "unset it when no HS256 token came for a day "
                '(lingualink_tokens_verified_total{algorithm="HS256"} stands still)',
            )
        ]
    return []


async def check_issuer(settings: Settings) -> Sequence[Finding]:
    """Find out whether the issuer that Supabase Auth writes into tokens is one that is accepted.

    Auth tells it as OpenID Connect Discovery 1.0 asks (section 4); versions that do not are not asked twice.
    """
    url = f"{settings.supabase_url}/auth/v1/.well-known/openid-configuration"
    try:
        async with _client(settings) as http:
            answer = await http.get(url)
        issuer = msgspec.json.decode(answer.content, type=_Configuration).issuer.rstrip("/")
    except (httpx.HTTPError, msgspec.DecodeError):
        return []  # that Auth is away, the signing keys have told
    if answer.status_code != httpx.codes.OK or issuer in settings.jwt_issuers:
        return []
    return [
        error(
            "issuer_not_accepted",
            f"Supabase Auth writes the issuer {issuer} into its tokens; accepted are {', '.join(settings.jwt_issuers)}",
            f"set SUPABASE_JWT_ISSUER={issuer}",
        )
    ]


def _client(settings: Settings) -> httpx.AsyncClient:
    # A server on this machine is behind no proxy, whatever the environment says of others.
    return httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=not settings.is_local)
