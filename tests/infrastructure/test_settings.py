"""The environment: complete or refused, with every fault named and no secret shown."""

import pytest

from infrastructure.settings import Settings, SettingsError

GOOD = {
    "DATABASE_URL": "postgresql://lingualink_api:hush-database@db.example.org:5432/postgres",
    "SUPABASE_URL": "https://abcdefghijklmnopqrst.supabase.co",
    "SUPABASE_SECRET_KEY": "sb_secret_hush_supabase",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Only what a test sets."""
    for name in [*GOOD, "SUPABASE_JWKS_URL", "SUPABASE_JWT_ISSUER", "SUPABASE_JWT_SECRET", "LINGUALINK_PORT"]:
        monkeypatch.delenv(name, raising=False)
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
        ("SUPABASE_URL", "ftp://hush"),
        ("SUPABASE_SECRET_KEY", "sb_publishable_hush"),
        ("SUPABASE_JWT_SECRET", "hush: too short"),
        ("SUPABASE_JWT_SECRET", "super-secret-jwt-token-with-at-least-32-characters-long"),
        ("SUPABASE_JWKS_URL", "http://hush.example.org/keys"),
    ],
)
def test_a_malformed_variable_is_named_and_its_value_never_shown(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(environment, **{name: value})

    assert name in str(refused.value)
    assert "hush" not in str(refused.value)
    assert value not in str(refused.value)


def test_secrets_are_not_shown_by_the_settings_themselves(environment: pytest.MonkeyPatch) -> None:
    assert "hush" not in repr(load(environment))


def test_a_public_secret_is_good_enough_on_this_machine(environment: pytest.MonkeyPatch) -> None:
    secret = "super-secret-jwt-token-with-at-least-32-characters-long"

    assert load(environment, SUPABASE_URL="http://127.0.0.1:54321", SUPABASE_JWT_SECRET=secret).is_local
