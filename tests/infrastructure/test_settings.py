"""The environment: complete or refused, with every fault named and no secret shown."""

from base64 import urlsafe_b64encode
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from infrastructure.postgres.tls import SUPABASE_CA
from infrastructure.settings import MigrationSettings, Settings, SettingsError

GOOD = {
    "DATABASE_URL": "postgresql://lingualink_api:hush-database@db.example.org:5432/postgres",
    "SUPABASE_URL": "https://abcdefghijklmnopqrst.supabase.co",
    "SUPABASE_SECRET_KEY": "sb_secret_hush_supabase",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Only what a test sets."""
    for name in [*Settings.model_fields, *MigrationSettings.model_fields, "PORT"]:
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def load(environment: pytest.MonkeyPatch, **changes: str) -> Settings:
    for name, value in {**GOOD, **changes}.items():
        environment.setenv(name, value)
    return Settings.load()


def test_what_is_not_said_follows_from_the_supabase_address(environment: pytest.MonkeyPatch) -> None:
    settings = load(environment, SUPABASE_URL="https://abcdefghijklmnopqrst.supabase.co/")

    assert settings.jwks_url == "https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json"
    assert settings.jwt_issuers == ["https://abcdefghijklmnopqrst.supabase.co/auth/v1"]
    assert settings.supabase_jwt_audience == "authenticated"


def test_several_issuers_are_a_comma_separated_list(environment: pytest.MonkeyPatch) -> None:
    assert load(environment, SUPABASE_JWT_ISSUER="https://a/auth/v1, https://b/auth/v1").jwt_issuers == [
        "https://a/auth/v1",
        "https://b/auth/v1",
    ]


def test_everything_that_is_missing_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LINGUALINK_PORT", "ninety")
    with pytest.raises(SettingsError) as refused:
        Settings.load()

    for name in [*GOOD, "LINGUALINK_PORT"]:
        assert name in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://hush@db/x"),
        ("DATABASE_URL", "postgresql://db.example.org"),
        ("SUPABASE_URL", "http://hush.example.org"),
        ("SUPABASE_URL", "http://10.1.2.3:8000/"),
        ("SUPABASE_URL", "ftp://hush"),
        ("SUPABASE_URL", "https://hush.supabase.co/rest/v1"),
        ("SUPABASE_URL", "https://hush:hush@x.supabase.co"),
        ("SUPABASE_URL", "https://hush.supabase.co:port"),
        ("SUPABASE_URL", "https://hush.supabase.co?x=1"),
        ("SUPABASE_URL", "https://[hush"),
        ("SUPABASE_SECRET_KEY", "sb_publishable_hush"),
        ("SUPABASE_SECRET_KEY", "sb_secret_hush••••••"),
        ("SUPABASE_SECRET_KEY", "sb_secret_hush**********"),
        ("SUPABASE_SECRET_KEY", "sb_secret_hush hush hush"),
        ("SUPABASE_SECRET_KEY", "sb_secret_hush\u200bhush"),
        ("SUPABASE_SECRET_KEY", "sb_secret_"),
        ("SUPABASE_SECRET_KEY", "eyJhush.eyJhush.hush"),
        ("SUPABASE_JWT_SECRET", "hush: too short"),
        ("SUPABASE_JWT_SECRET", "super-secret-jwt-token-with-at-least-32-characters-long"),
        ("SUPABASE_JWKS_URL", "http://hush.example.org/keys"),
        ("SUPABASE_JWT_ISSUER", "https://a/auth/v1,'hush'"),
        ("LINGUALINK_CORS_ORIGINS", "https://app.example.org,'https://hush.example.org'"),
        ("LINGUALINK_CORS_ORIGINS", "https://hush.example.org/app"),
        ("LINGUALINK_CORS_ORIGINS", "hush.example.org"),
        ("LINGUALINK_CORS_HEADERS", "x-good, hush:hush"),
        ("LINGUALINK_OAUTH_CLIENTS", "hush/hush"),
        ("LINGUALINK_RELEASE", "hush hush"),
        ("LINGUALINK_SCHEMA", "hush"),
        ("LINGUALINK_RATE_LIMIT", "hush"),
        ("LINGUALINK_RATE_LIMIT", "-1"),
        ("LINGUALINK_RATE_LIMIT_URL", "http://hush"),
        ("LINGUALINK_RATE_LIMIT_URL", "redis://:hu/sh@host:6379"),
        ("LINGUALINK_WITHDRAWAL_MINIMUM", "hush"),
        ("LINGUALINK_WITHDRAWAL_DAILY_LIMIT", "0"),
        ("LINGUALINK_TRANSFER_DAILY_LIMIT", "-1.00"),
        ("LINGUALINK_SECOND_ADMIN_ABOVE", "1e3"),
        ("LINGUALINK_HOST", "127.0.0.1 hush"),
        ("DATABASE_CA", "/hush/nowhere\x01.pem"),
        ("DATABASE_CA", "-----BEGIN CERTIFICATE-----\nhush\n-----END CERTIFICATE-----"),
    ],
)
def test_a_malformed_variable_is_named_and_its_value_never_shown(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(environment, **{name: value})

    assert name in str(refused.value)
    assert "hush" not in str(refused.value)


def test_secrets_are_not_shown_by_the_settings_themselves(environment: pytest.MonkeyPatch) -> None:
    assert "hush" not in repr(load(environment))


def test_a_public_secret_is_good_enough_on_this_machine(environment: pytest.MonkeyPatch) -> None:
    secret = "super-secret-jwt-token-with-at-least-32-characters-long"

    assert load(environment, SUPABASE_URL="http://127.0.0.1:54321", SUPABASE_JWT_SECRET=secret).is_local


def test_nobody_is_a_trusted_proxy_unless_named(environment: pytest.MonkeyPatch) -> None:
    assert load(environment).lingualink_trusted_proxies == []
    named = load(environment, LINGUALINK_TRUSTED_PROXIES="10.0.0.0/8, 2001:db8::1")
    assert named.lingualink_trusted_proxies == ["10.0.0.0/8", "2001:db8::1"]


@pytest.mark.parametrize("proxies", ["*", "proxy.internal", "10.0.0.1/8", "10.0.0.0/8,,x"])
def test_a_proxy_is_an_address_or_a_network(environment: pytest.MonkeyPatch, proxies: str) -> None:
    with pytest.raises(SettingsError, match="LINGUALINK_TRUSTED_PROXIES"):
        load(environment, LINGUALINK_TRUSTED_PROXIES=proxies)


def legacy_key(**claims: object) -> str:
    """A key as Supabase made them before 2025; nobody looks at its signature here."""
    parts = [{"alg": "HS256", "typ": "JWT"}, claims]
    return ".".join(
        [
            *(urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=") for part in parts),
            "c2lnbmF0dXJl",
        ]
    )


def test_a_legacy_key_counts_by_its_role_and_not_by_its_look(environment: pytest.MonkeyPatch) -> None:
    key = legacy_key(role="service_role", exp=4_000_000_000)

    assert load(environment, SUPABASE_SECRET_KEY=key).supabase_secret_key.get_secret_value() == key


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"role": "anon", "exp": 4_000_000_000}, "its role is anon"),
        ({"role": "authenticated"}, "its role is authenticated"),
        ({"role": "hush"}, "service_role"),
        ({}, "service_role"),
        ({"role": "service_role", "exp": 1_000_000_000}, "expired"),
    ],
)
def test_a_legacy_key_that_may_not_send_is_refused(
    environment: pytest.MonkeyPatch, claims: dict[str, object], told: str
) -> None:
    key = legacy_key(**claims)
    with pytest.raises(SettingsError, match=told) as refused:
        load(environment, SUPABASE_SECRET_KEY=key)

    assert not any(part in str(refused.value) for part in [*key.split("."), "hush"])


def test_every_variable_that_is_wrong_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    wrong = {
        "DATABASE_URL": "postgresql://u:[hush]@h.example.org/d",
        "DATABASE_CA": "/nowhere.pem",
        "SUPABASE_URL": "supabase",
        "SUPABASE_SECRET_KEY": "hush",
        "SUPABASE_JWT_SECRET": "hush",
        "LINGUALINK_CORS_ORIGINS": "hush",
        "LINGUALINK_PORT": "hush",
        "LINGUALINK_RELAY": "hush",
        "LINGUALINK_TRANSFER_DAILY_LIMIT": "hush",
    }
    with pytest.raises(SettingsError) as refused:
        load(environment, **wrong)

    first, *lines = str(refused.value).splitlines()
    assert first == "These environment variables are not right:"
    assert {line.split(":")[0].strip() for line in lines} == set(wrong)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("around", ["{} ", "\t{}", "{}\r", "{}\r\n", "\u00a0{}\u00a0", "{}\u2003"])
@pytest.mark.parametrize(
    "name", [*GOOD, "SUPABASE_JWT_ISSUER", "LINGUALINK_CORS_ORIGINS", "LINGUALINK_RELAY"]
)
def test_what_surrounds_a_value_is_no_part_of_it(
    environment: pytest.MonkeyPatch, name: str, around: str
) -> None:
    values = {
        **GOOD,
        "SUPABASE_JWT_ISSUER": "https://a/auth/v1",
        "LINGUALINK_CORS_ORIGINS": "https://app.example.org",
        "LINGUALINK_RELAY": "off",
    }
    plain = load(environment, **values)

    assert load(environment, **{**values, name: around.format(values[name])}) == plain


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_variable_is_one_that_is_not_set(environment: pytest.MonkeyPatch, empty: str) -> None:
    changed = load(
        environment, SUPABASE_JWT_AUDIENCE=empty, LINGUALINK_PORT=empty, LINGUALINK_CORS_HEADERS=empty
    )

    assert changed == load(environment)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("https://App.Example.org/", "https://app.example.org"),
        ("https://app.example.org:443", "https://app.example.org"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:3000/", "http://localhost:3000"),
        ("HTTPS://app.example.org", "https://app.example.org"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_an_origin_is_compared_as_browsers_write_it(
    environment: pytest.MonkeyPatch, written: str, canonical: str
) -> None:
    assert load(environment, LINGUALINK_CORS_ORIGINS=written).lingualink_cors_origins == [canonical]


def test_an_issuer_with_a_slash_at_the_end_is_accepted_without_it_too(
    environment: pytest.MonkeyPatch,
) -> None:
    assert load(environment, SUPABASE_JWT_ISSUER="https://a/auth/v1/").jwt_issuers == [
        "https://a/auth/v1/",
        "https://a/auth/v1",
    ]
    assert load(environment, SUPABASE_JWT_ISSUER="https://a/auth/v1").jwt_issuers == ["https://a/auth/v1"]


@pytest.mark.parametrize(
    ("url", "local", "unencrypted"),
    [
        ("http://127.0.0.1:54321", True, False),
        ("http://127.1.2.3:54321", True, False),
        ("http://localhost:54321", True, False),
        ("http://[::1]:54321", True, False),
        ("http://host.docker.internal:54321", True, False),
        ("http://kong:8000", False, True),
        ("https://kong:8000", False, False),
        ("https://abcdefghijklmnopqrst.supabase.co", False, False),
    ],
)
def test_plain_http_is_for_this_machine_and_private_names(
    environment: pytest.MonkeyPatch, url: str, *, local: bool, unencrypted: bool
) -> None:
    settings = load(environment, SUPABASE_URL=url)

    assert settings.supabase_url == url
    assert (settings.is_local, settings.is_unencrypted) == (local, unencrypted)


def test_the_platforms_port_counts_where_ours_is_not_set(environment: pytest.MonkeyPatch) -> None:
    assert load(environment, PORT="9000").lingualink_port == 9000
    assert load(environment, PORT="9000", LINGUALINK_PORT="8001").lingualink_port == 8001


def test_the_port_that_is_wrong_is_called_by_its_own_name(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="  PORT: "):
        load(environment, PORT="hush")


def test_amounts_are_exact(environment: pytest.MonkeyPatch) -> None:
    settings = load(environment, LINGUALINK_TRANSFER_DAILY_LIMIT="250.50")

    assert settings.lingualink_transfer_daily_limit == Decimal("250.50")
    assert settings.lingualink_withdrawal_daily_limit is None


def test_lists_are_written_with_commas(environment: pytest.MonkeyPatch) -> None:
    settings = load(
        environment, LINGUALINK_OAUTH_CLIENTS="a-1, b_2,,a-1", LINGUALINK_CORS_HEADERS="X-One,x-two"
    )

    assert settings.lingualink_oauth_clients == ["a-1", "b_2"]
    assert settings.lingualink_cors_headers == ["X-One", "x-two"]


def test_a_certificate_is_given_as_text_or_as_a_path(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pem = SUPABASE_CA.read_text()
    file = tmp_path / "ca.pem"
    file.write_text(pem)

    assert load(environment, DATABASE_CA=str(file)).database_ca == pem
    assert load(environment, DATABASE_CA=pem).database_ca == pem.strip()
    assert load(environment, DATABASE_CA=pem.strip().replace("\n", "\\n")).database_ca == pem.strip()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_CA", "/nowhere/ca.pem"),
        ("DATABASE_URL", "postgresql://u:hush@db.example.org/d?sslrootcert=/nowhere/ca.pem"),
        ("DATABASE_URL", "postgresql://u:hush@db.example.org/d?sslcert=/nowhere/ca.pem"),
    ],
)
def test_a_file_that_is_not_there_is_named(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name}: .*/nowhere/ca\.pem") as refused:
        load(environment, **{name: value})

    assert "hush" not in str(refused.value)


def test_a_command_of_the_migrations_wants_nothing_else(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MIGRATION_DATABASE_URL", " postgresql://postgres:hush@db.example.org/postgres ")

    assert "hush" not in repr(MigrationSettings.load())
    environment.delenv("MIGRATION_DATABASE_URL")
    with pytest.raises(SettingsError, match="MIGRATION_DATABASE_URL: is missing"):
        MigrationSettings.load()
