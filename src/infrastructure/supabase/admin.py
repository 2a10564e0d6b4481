"""The one place that builds the Supabase client with the secret key, and so the one that holds both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import httpx
from supabase import AsyncClient, AsyncClientOptions, acreate_client

TIMEOUT_S = 5


def http_pool() -> httpx.AsyncClient:
    """The long-lived HTTP connections to Supabase: no redirects, five seconds for each step of a request."""
    return httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False)


async def create_admin_client(url: str, secret_key: str, http: httpx.AsyncClient) -> AsyncClient:
    """The admin client of the project at *url*. Nobody ever signs in on it: that would replace its key."""
    options = AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
    return await acreate_client(url, secret_key, options)


@dataclass(frozen=True, slots=True)
class RealtimeEndpoint:
    """Where batches go, and what proves that they are ours."""

    broadcast_url: str
    headers: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, client: AsyncClient) -> Self:
        """As the admin *client* knows it. A legacy key is a token; a secret key must not pose as one."""
        key = client.supabase_key
        headers = {"apikey": key, "Content-Type": "application/json"}
        if key.startswith("eyJ"):
            headers["Authorization"] = f"Bearer {key}"
        return cls(f"{client.realtime.http_endpoint}/api/broadcast", headers)
