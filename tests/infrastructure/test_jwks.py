"""Only keys that are strong, meant for signatures and not known to everybody sign for anybody."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infrastructure.supabase.jwks import (
    PUBLIC_KEY_ID,
    PUBLIC_SECRETS,
    JwksMalformed,
    KeySet,
    parse_jwks,
    shared_secret,
)
from support.minting import MISSING, Json, as_json, b64, ec_jwk, ec_key, ed_jwk, rsa_jwk, rsa_key

EC, RSA, ED = ec_key(), rsa_key(2048), Ed25519PrivateKey.generate()
PRIVATE = EC.private_numbers().private_value.to_bytes(32, "big")
# The public half of the key in the Supabase CLI's sources.
CLI_KEY = {
    "kty": "EC",
    "kid": PUBLIC_KEY_ID,
    "use": "sig",
    "key_ops": ["verify"],
    "alg": "ES256",
    "ext": True,
    "crv": "P-256",
    "x": "M5Sjqn5zwC9Kl1zVfUUGvv9boQjCGd45G8sdopBExB4",
    "y": "P6IXMvA2WYXSHSOMTBH2jsw_9rrzGy89FjPf6oOsIxQ",
}


def parse(*keys: Json, local_development: bool = False) -> KeySet:
    return parse_jwks(as_json({"keys": list(keys)}), local_development=local_development)


FITTING = {
    "EC": ec_jwk(EC, "k"),
    "RSA": rsa_jwk(RSA, "k"),
    "Ed25519": ed_jwk(ED, "k"),
    "Ed25519 without alg": ed_jwk(ED, "k", alg=MISSING),
    "no use, no operations, no alg": ec_jwk(EC, "k", use=MISSING, key_ops=MISSING, alg=MISSING),
    "RSA without alg": rsa_jwk(RSA, "k", alg=MISSING),
    "RSA of 3072 bits": rsa_jwk(rsa_key(3072), "k"),
    "unknown members": ec_jwk(EC, "k", x5c=["MIIB"], exp=1),
    "longest id": ec_jwk(EC, "k" * 128),
}

UNFIT: dict[str, Json] = {
    "a shared secret": {"kty": "oct", "k": "c2VjcmV0", "kid": "k", "alg": "HS256", "use": "sig"},
    "for encryption": ec_jwk(EC, "k", use="enc"),
    "use of another kind": ec_jwk(EC, "k", use=["sig"]),
    "only for signing": ec_jwk(EC, "k", key_ops=["sign"]),
    "operations in a string": ec_jwk(EC, "k", key_ops="verify"),
    "no operation": ec_jwk(EC, "k", key_ops=[]),
    "with its private half": ec_jwk(EC, "k", d=PRIVATE.hex()),
    "another alg": ec_jwk(EC, "k", alg="ES384"),
    "alg HS256": ec_jwk(EC, "k", alg="HS256"),
    "alg none": ec_jwk(EC, "k", alg="none"),
    "alg in a list": ec_jwk(EC, "k", alg=["ES256"]),
    "alg null": ec_jwk(EC, "k", alg=None),
    "RSA alg on a curve": ec_jwk(EC, "k", alg="RS256"),
    "EC alg on RSA": rsa_jwk(RSA, "k", alg="ES256"),
    "PSS": rsa_jwk(RSA, "k", alg="PS256"),
    "P-384": ec_jwk(ec_key(ec.SECP384R1()), "k"),
    "P-384 called P-256": ec_jwk(ec_key(ec.SECP384R1()), "k", crv="P-256"),
    "P-256 called secp256k1": ec_jwk(EC, "k", crv="secp256k1"),
    "a point off the curve": ec_jwk(EC, "k", x="A" * 43),
    "the point at infinity": ec_jwk(EC, "k", x="A" * 43, y="A" * 43),
    "no y": ec_jwk(EC, "k", y=MISSING),
    "y that is a number": ec_jwk(EC, "k", y=7),
    "x with padding": ec_jwk(EC, "k", x=str(ec_jwk(EC, "k")["x"]) + "="),
    "RSA of 1024 bits": rsa_jwk(rsa_key(1024), "k"),
    "RSA of 2047 bits": rsa_jwk(RSA, "k", n="f" + "_" * 340 + "w"),
    "RSA with an exponent of one": rsa_jwk(RSA, "k", e="AQ"),
    "RSA with an even exponent": rsa_jwk(RSA, "k", e="AQAA"),
    "RSA with no exponent": rsa_jwk(RSA, "k", e=MISSING),
    "RSA too large to use": rsa_jwk(RSA, "k", n="_" * 1400),
    "Ed25519 with its private half": ed_jwk(ED, "k", d=b64(ED.private_bytes_raw())),
    "Ed25519 called X25519": ed_jwk(ED, "k", crv="X25519"),
    "Ed25519 with another alg": ed_jwk(ED, "k", alg="ES256"),
    "Ed25519 called EC": ed_jwk(ED, "k", kty="EC"),
    "Ed25519 of 31 octets": ed_jwk(ED, "k", x="A" * 42),
    "Ed25519 of 33 octets": ed_jwk(ED, "k", x="B" * 44),
    "Ed25519 without x": ed_jwk(ED, "k", x=MISSING),
    "Ed448": {"kty": "OKP", "crv": "Ed448", "x": "B" * 76, "kid": "k", "alg": "EdDSA"},
    "no kid": ec_jwk(EC, "k", kid=MISSING),
    "empty kid": ec_jwk(EC, ""),
    "kid that is a number": ec_jwk(EC, "k", kid=7),
    "kid too long": ec_jwk(EC, "k" * 129),
    "no kty": ec_jwk(EC, "k", kty=MISSING),
    "kty in a list": ec_jwk(EC, "k", kty=["EC"]),
    "a string": "key",
    "null": None,
    "a list": [],
}


@pytest.mark.parametrize("key", FITTING.values(), ids=FITTING.keys())
def test_a_key_that_fits_is_found_by_its_id(key: dict[str, Json]) -> None:
    assert set(parse(key).by_id) == {key["kid"]}


@pytest.mark.parametrize("key", UNFIT.values(), ids=UNFIT.keys())
def test_a_key_that_does_not_fit_is_skipped_and_the_others_stay(key: Json) -> None:
    assert set(parse(ec_jwk(EC, "other"), key).by_id) == {"other"}
    assert not parse(key)


# RFC 7748, section 6: points that a multiple of eight makes nothing of, each with both signs, and beyond the prime.
P = 2**255 - 19
EIGHT = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
SMALL_ORDER = sorted({y + sign for y in (0, 1, P - 1, P, P + 1, EIGHT, P - EIGHT) for sign in (0, 2**255)})


@pytest.mark.parametrize("number", SMALL_ORDER, ids=hex)
def test_a_point_of_small_order_is_no_key_for_anybody_could_sign_for_it(number: int) -> None:
    assert not parse(ed_jwk(ED, "k", x=b64(number.to_bytes(32, "little"))))


def test_the_points_are_of_small_order_indeed() -> None:
    d = -121665 * pow(121666, -1, P) % P

    def order_divides_eight(y: int) -> bool:
        """Doubling on the curve by y alone: of a point of order 8 it ends at y = 1 after three times."""
        for _ in range(3):
            square = y * y % P
            x_square = (square - 1) * pow(d * square + 1, -1, P) % P
            y = (square + x_square) * pow(1 - d * x_square * square, -1, P) % P
        return y == 1

    assert all(order_divides_eight(y % P) for y in (0, 1, P - 1, EIGHT, P - EIGHT))
    assert not order_divides_eight(4 * pow(5, -1, P) % P)  # the base point


def test_an_id_that_two_keys_share_names_neither() -> None:
    assert set(parse(ec_jwk(EC, "k"), rsa_jwk(RSA, "k"), ec_jwk(EC, "other")).by_id) == {"other"}
    assert set(parse(ec_jwk(EC, "k"), ec_jwk(EC, "k", use="enc")).by_id) == {"k"}


@pytest.mark.parametrize("key_id", [PUBLIC_KEY_ID, "renamed"])
def test_the_key_of_the_supabase_cli_is_good_on_a_laptop_only_whatever_it_is_called(key_id: str) -> None:
    assert not parse(CLI_KEY | {"kid": key_id})
    assert set(parse(CLI_KEY | {"kid": key_id}, local_development=True).by_id) == {key_id}


def test_another_key_under_the_id_of_the_supabase_cli_is_not_good_either() -> None:
    assert not parse(ec_jwk(EC, PUBLIC_KEY_ID))


def test_an_empty_set_is_an_answer_too() -> None:
    assert not parse()


@pytest.mark.parametrize(
    "document",
    [
        b"", b"null", b"[]", b"{}", b'{"keys": {}}', b'{"keys": null}', b'{"keys": "k"}',
        b"<html></html>", b'{"keys": [', b"\xff", b"[" * 60_000, b'{"keys": [], "keys": []}',
    ],
    ids=range(12),
)  # fmt: skip
def test_a_document_that_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(JwksMalformed):
        parse_jwks(document, local_development=True)


def test_two_readings_of_the_same_keys_are_equal_and_of_others_are_not() -> None:
    assert parse(ec_jwk(EC, "k"), rsa_jwk(RSA, "r")) == parse(rsa_jwk(RSA, "r"), ec_jwk(EC, "k", ext=MISSING))
    assert parse(ec_jwk(EC, "k")) != parse(ec_jwk(ec_key(), "k"))
    assert parse(ec_jwk(EC, "k")) != parse(ec_jwk(EC, "other"))


@pytest.mark.parametrize(
    "secret",
    [
        *sorted(PUBLIC_SECRETS),
        *(f"{secret}\n" for secret in sorted(PUBLIC_SECRETS)),
        "",
        "x" * 31,
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" + "A" * 40,
    ],
)
def test_a_secret_that_is_short_public_or_a_key_is_refused_without_being_told(secret: str) -> None:
    with pytest.raises(ValueError, match="the JWT secret") as refusal:
        shared_secret(secret, local_development=False)
    assert not secret or secret.strip() not in str(refusal.value)


def test_a_public_secret_is_good_on_a_laptop_only_and_a_short_one_nowhere() -> None:
    long_enough = [secret for secret in PUBLIC_SECRETS if len(secret) >= 32]
    assert {shared_secret(secret, local_development=True).algorithm for secret in long_enough} == {"HS256"}
    with pytest.raises(ValueError, match="shorter"):
        shared_secret("fallback-secret-for-development", local_development=True)


def test_a_secret_shows_nothing_of_itself_and_no_digest() -> None:
    shown = [shared_secret(secret * 40, local_development=False) for secret in ("a", "b")]
    assert repr(shown[0]) == repr(shown[1])
