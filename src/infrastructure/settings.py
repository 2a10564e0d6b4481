"""The environment, read once at the start. A missing or malformed variable is named; a secret is never shown."""

import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from infrastructure.hosts import is_private_name, is_this_machine, process_name
from infrastructure.postgres.address import DatabaseAddress, PoolerChoice
from infrastructure.setting_types import (
    Amount,
    Certificates,
    ClientIds,
    DatabaseUrl,
    HeaderNames,
    HttpUrl,
    Issuers,
    Networks,
    Origins,
    RateLimitUrl,
    Release,
    SecretKey,
    SupabaseUrl,
    plain,
)
from infrastructure.supabase.jwks import shared_secret

DISTRIBUTION = "lingualink-backend"
CORS_HEADERS = ["traceparent", "tracestate", "baggage", "sentry-trace", "apikey", "x-client-info"]

_TAKEN_WHOLE = {"database_ca", "migration_database_ca"}  # a PEM has lines


class SettingsError(Exception):
    """The environment is not complete; the message names every variable at fault, *problems* has a line for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n  ".join(["These environment variables are not right:", *problems]))
        self.problems = problems


def package_version() -> str:
    """The version of the installed package; a source tree that was never installed has none."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0.0.0"


class Environment(BaseSettings):
    """What every command may be told. Field names are the variables' names in lower case."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True
    )

    lingualink_release: Release = Field(default_factory=package_version)
    lingualink_log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: dict[str, object]) -> dict[str, object]:
        return {
            name: value
            for name, value in values.items()
            if not (isinstance(value, str) and not value.strip())
        }

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any, info: Any) -> Any:
        if not isinstance(value, str):
            return value
        is_list = cls.model_fields[info.field_name].annotation == list[str]  # checked word by word
        return value.strip() if is_list or info.field_name in _TAKEN_WHOLE else plain(value)

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            SettingsError: variables are missing or malformed; all of them are named.
        """
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError([_say(fault["loc"], fault["msg"]) for fault in error.errors()]) from None


class DatabaseSettings(Environment):
    """What a command needs that works on the database as the service."""

    database_url: DatabaseUrl
    database_ca: Certificates | None = None
    lingualink_database_pooler: PoolerChoice = "auto"

    @property
    def database(self) -> DatabaseAddress:
        """The shared database, as the service reaches it from this process."""
        return DatabaseAddress.parse(
            self.database_url.get_secret_value(),
            pooler=self.lingualink_database_pooler,
            ca=self.database_ca,
            name=process_name(self.lingualink_release),
        )


class MigrationSettings(Environment):
    """What a command needs that works on the database with the rights of Supabase's ``postgres``."""

    migration_database_url: DatabaseUrl
    migration_database_ca: Certificates | None = None

    @property
    def database(self) -> DatabaseAddress:
        """The shared database, as its owner reaches it from this process."""
        return DatabaseAddress.parse(
            self.migration_database_url.get_secret_value(),
            pooler="none",
            ca=self.migration_database_ca,
            name=process_name(self.lingualink_release),
        )


class Settings(DatabaseSettings):
    """What the service runs with (docs: ``.env.example``)."""

    supabase_url: SupabaseUrl
    supabase_secret_key: SecretKey
    supabase_jwks_url: HttpUrl | None = None
    supabase_jwt_issuer: Issuers = Field(default_factory=list)
    supabase_jwt_audience: str = "authenticated"
    supabase_jwt_secret: SecretStr | None = None
    lingualink_host: str = "127.0.0.1"
    lingualink_port: Annotated[
        int, Field(ge=0, le=65535, validation_alias=AliasChoices("lingualink_port", "port"))
    ] = 8000
    lingualink_ops_host: str = "127.0.0.1"
    lingualink_ops_port: Annotated[int, Field(ge=0, le=65535)] = 9090
    lingualink_workers: Annotated[int, Field(ge=1, le=64)] = 1
    lingualink_drain_delay: Annotated[float, Field(ge=0, le=120)] = 5
    lingualink_drain_timeout: Annotated[int, Field(ge=1, le=110)] = 20
    lingualink_pool_size: Annotated[int, Field(ge=1, le=200)] = 10
    lingualink_cors_origins: Origins = Field(default_factory=list)
    lingualink_cors_headers: HeaderNames = Field(default_factory=lambda: list(CORS_HEADERS))
    lingualink_relay: Literal["inline", "off"] = "inline"
    lingualink_realtime_share: Annotated[float, Field(gt=0, le=1)] = 0.7
    lingualink_schema: Literal["on", "off"] = "on"
    lingualink_trusted_proxies: Networks = Field(default_factory=list)
    lingualink_oauth_clients: ClientIds = Field(default_factory=list)
    lingualink_vault_requires_mfa: bool = False
    lingualink_currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    lingualink_withdrawal_minimum: Amount | None = None
    lingualink_withdrawal_daily_limit: Amount | None = None
    lingualink_transfer_daily_limit: Amount | None = None
    lingualink_second_admin_above: Amount | None = None
    lingualink_rate_limit: Annotated[int, Field(ge=0, le=1_000_000)] = 600
    lingualink_rate_limit_url: RateLimitUrl = SecretStr("memory://")

    @field_validator("supabase_jwt_secret", mode="after")
    @classmethod
    def _known_secret(cls, value: SecretStr | None, info: Any) -> SecretStr | None:
        if value is not None:
            url = info.data.get("supabase_url")
            shared_secret(value.get_secret_value(), local_development=url is None or _is_local(url))
        return value

    @property
    def jwks_url(self) -> str:
        """Where Supabase Auth publishes its signing keys."""
        return self.supabase_jwks_url or f"{self.supabase_url}/auth/v1/.well-known/jwks.json"

    @property
    def jwt_issuers(self) -> list[str]:
        """The issuers whose tokens are accepted, to the letter.

        One written with a slash at the end is accepted without it, too: Auth may say either, and means one thing.
        """
        written = self.supabase_jwt_issuer or [f"{self.supabase_url}/auth/v1"]
        return list(dict.fromkeys([*written, *(issuer.rstrip("/") for issuer in written)]))

    @property
    def is_local(self) -> bool:
        """Whether Supabase is on this machine: only then are publicly known keys good enough."""
        return _is_local(self.supabase_url)

    @property
    def is_unencrypted(self) -> bool:
        """Whether the secret key goes unencrypted to a private name: good in a container network alone."""
        parts = urlsplit(self.supabase_url)
        return parts.scheme == "http" and is_private_name(parts.hostname or "") and not self.is_local

    @property
    def warnings(self) -> list[str]:
        """What works, and should be known: a line each, for the log of a process that starts."""
        told = []
        if self.is_unencrypted:
            told.append("SUPABASE_URL is plain http: the secret key and all events go unencrypted")
        if ignored := self.database.ignored:
            told.append(f"DATABASE_URL has parameters that have no effect: {', '.join(ignored)}")
        return told


def _is_local(url: str) -> bool:
    return is_this_machine(urlsplit(url).hostname or "")


def _say(location: tuple[int | str, ...], message: str) -> str:
    said = {"Field required": "is missing"}.get(message, message.removeprefix("Value error, "))
    name = str(location[0]).upper()
    if name == "LINGUALINK_PORT" and not os.environ.get(name):
        name = "PORT"  # its other name
    return f"{name}: {said}"
