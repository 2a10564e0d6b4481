"""The environment, read once at the start. A missing or malformed variable is named; a secret is never shown."""

import os
from ipaddress import ip_network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from infrastructure.supabase.jwks import shared_secret


class SettingsError(Exception):
    """The environment is not complete; the message names every variable at fault."""


def _postgres_url(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in {"postgres", "postgresql"} or not parts.hostname or not parts.path.strip("/"):
        raise ValueError("must look like postgresql://user:password@host:port/database")
    return value


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http or https address")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("must be https, except on this machine")
    return value.rstrip("/")


def _secret_key(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("sb_secret_", "eyJ")):
        raise ValueError("must be a secret key (sb_secret_...) or a legacy service_role key")
    return value


def _split(value: str | list[str]) -> list[str]:
    words = value.split(",") if isinstance(value, str) else value
    return [word.strip() for word in words if word.strip()]


def _networks(values: list[str]) -> list[str]:
    for value in values:
        try:
            ip_network(value)
        except ValueError:
            raise ValueError(
                "must be addresses or networks, such as 10.0.0.0/8, separated by commas"
            ) from None
    return values


LOOPBACK = {"127.0.0.1", "localhost", "::1"}
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Words = Annotated[list[str], NoDecode]


class Settings(BaseSettings):
    """What the service runs with (docs: ``.env.example``). Field names are the variables' names in lower case."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    database_url: PostgresUrl
    supabase_url: HttpUrl
    supabase_secret_key: Annotated[SecretStr, AfterValidator(_secret_key)]
    supabase_jwks_url: HttpUrl | None = None
    supabase_jwt_issuer: Words = Field(default_factory=list)
    supabase_jwt_audience: str = "authenticated"
    supabase_jwt_secret: SecretStr | None = None
    lingualink_database_pooler: Literal["auto", "none", "transaction"] = "auto"
    lingualink_host: str = "127.0.0.1"
    lingualink_port: Annotated[int, Field(ge=0, le=65535)] = 8000
    lingualink_ops_host: str = "127.0.0.1"
    lingualink_ops_port: Annotated[int, Field(ge=0, le=65535)] = 9090
    lingualink_workers: Annotated[int, Field(ge=1, le=64)] = 1
    lingualink_drain_delay: Annotated[float, Field(ge=0, le=120)] = 5
    lingualink_drain_timeout: Annotated[int, Field(ge=1, le=110)] = 20
    lingualink_pool_size: Annotated[int, Field(ge=1, le=200)] = 10
    lingualink_log_level: Literal["debug", "info", "warning", "error"] = "info"
    lingualink_cors_origins: Words = Field(default_factory=list)
    lingualink_relay: Literal["inline", "off"] = "inline"
    lingualink_trusted_proxies: Annotated[Words, AfterValidator(_networks)] = Field(default_factory=list)
    lingualink_vault_requires_mfa: bool = False
    lingualink_currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, values: dict[str, object]) -> dict[str, object]:
        for name in ("supabase_jwt_issuer", "lingualink_cors_origins", "lingualink_trusted_proxies"):
            if isinstance(value := values.get(name), str):
                values[name] = _split(value)
        return {name: value for name, value in values.items() if value != ""}

    @model_validator(mode="after")
    def _known_secret(self) -> Self:
        if self.supabase_jwt_secret is not None:
            try:
                shared_secret(self.supabase_jwt_secret.get_secret_value(), local_development=self.is_local)
            except ValueError as fault:
                raise ValueError(f"SUPABASE_JWT_SECRET: {fault}") from None
        return self

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            SettingsError: variables are missing or malformed; all of them are named.
        """
        try:
            return cls()
        except ValidationError as error:
            lines = [f"  {_say(fault['loc'], fault['msg'])}" for fault in error.errors()]
            raise SettingsError("These environment variables are not right:\n" + "\n".join(lines)) from None

    @property
    def jwks_url(self) -> str:
        """Where Supabase Auth publishes its signing keys."""
        return self.supabase_jwks_url or f"{self.supabase_url}/auth/v1/.well-known/jwks.json"

    @property
    def jwt_issuers(self) -> list[str]:
        """The issuers whose tokens are accepted."""
        return self.supabase_jwt_issuer or [f"{self.supabase_url}/auth/v1"]

    @property
    def is_local(self) -> bool:
        """Whether Supabase is on this machine: only then are publicly known keys good enough."""
        return urlsplit(self.supabase_url).hostname in LOOPBACK


def migration_database_url() -> str:
    """The address that migrations and the doctor's probes use; ``serve`` and ``relay`` never read it.

    Raises:
        SettingsError: it is missing or malformed.
    """
    value = os.environ.get("MIGRATION_DATABASE_URL")
    problem = "is missing"
    if value:
        try:
            return _postgres_url(SecretStr(value)).get_secret_value()
        except ValueError as error:
            problem = str(error)
    raise SettingsError(f"These environment variables are not right:\n  MIGRATION_DATABASE_URL: {problem}")


def _say(location: tuple[int | str, ...], message: str) -> str:
    said = {"Field required": "is missing"}.get(message, message.removeprefix("Value error, "))
    return f"{str(location[0]).upper()}: {said}" if location else said
