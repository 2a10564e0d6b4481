"""The one place that builds the Supabase client with the secret key, and so the one that holds both."""

import httpx
from supabase import AsyncClient, AsyncClientOptions, acreate_client

TIMEOUT_S = 5


def http_pool() -> httpx.AsyncClient:
    """The long-lived HTTP connections to Supabase: no redirects, five seconds for each request."""
    return httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False)


async def create_admin_client(url: str, secret_key: str, http: httpx.AsyncClient) -> AsyncClient:
    """The admin client of the project at *url*. Nobody ever signs in on it: that would replace its key."""
    options = AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
    return await acreate_client(url, secret_key, options)
