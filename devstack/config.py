"""What the stand-in is told when it starts."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class RealtimeLimits:
    """The limits of one project; the defaults are those of Supabase's Pro plan."""

    connections: int = 500
    messages_per_second: int = 500
    joins_per_second: int = 500
    channels_per_connection: int = 100
    payload_kilobytes: int = 3_000
    requests_per_second: int = 100
    sample_seconds: float = 5
    """How often the counters of messages and requests are read."""
    silence_seconds: float = 66
    """After how long a connection that says nothing is closed."""
    handshake_refusal_seconds: float = 0
    join_refusal_seconds: float = 0
    """How long a refusal is held back; the real server takes 2 and 5 s."""
    probe_seconds: float = 15
    """How long a question to the policies may take."""
    single_endpoint: bool = True
    """Whether ``/api/broadcast/{topic}/events/{event}`` is there: Realtime has it since May 2026."""

    @property
    def payload_bytes(self) -> int:
        """The largest payload, measured as the real server does: in Erlang's external term format."""
        return self.payload_kilobytes * 1_000 + 500


@dataclass(frozen=True, slots=True)
class SupabaseConfig:
    """One local Supabase project.

    *database_url* is a superuser's, of a database that carries the shim. Without a *key_folder* the signing
    key lives in memory only, and every token ends with the process.
    """

    database_url: str
    base_url: str
    publishable_key: str
    secret_key: str = field(repr=False)
    key_folder: Path | None = None
    token_lifetime: int = 3_600
    refresh_reuse_interval: int = 10
    email_autoconfirm: bool = True
    private_channels_only: bool = False
    realtime: RealtimeLimits = field(default_factory=RealtimeLimits)

    @property
    def authenticator_url(self) -> str:
        """The same database as the role that ``/rest/v1`` logs in as, which has the superuser's password."""
        parts = urlsplit(self.database_url)
        user = f"authenticator:{parts.password}" if parts.password else "authenticator"
        return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}"))

    @property
    def issuer(self) -> str:
        """What the tokens of this project name as ``iss``, and where Auth answers."""
        return f"{self.base_url.rstrip('/')}/auth/v1"
