"""A token passes if Supabase Auth made it for us and it is in its time, and for no other reason."""

import time
import timeit
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identity import Assurance, DisplayFields
from infrastructure.supabase.claims import RejectionReason, TokenRejected, TokenRules
from infrastructure.supabase.jwks import KeySet, parse_jwks, shared_secret
from infrastructure.supabase.verifier import verify
from support.hostile_tokens import Maker, Row, moving_rows, rows
from support.minting import MISSING, Json, KeyMaterial, as_json, b64, eddsa, rs256

ISSUER = "https://abcdefghijklmnopqrst.supabase.co/auth/v1"
OTHER_ISSUER = "https://auth.example.org/auth/v1"
SUBJECT = UUID("4f6d2c1e-7a0b-4c55-9d8e-0123456789ab")
SESSION = UUID("9b0c4a6e-1111-4222-8333-abcdefabcdef")
NOW = int(time.time())
SECRET = "a secret that only this test knows, and nobody else"

MATERIAL = KeyMaterial.fresh()
KEYS = parse_jwks(as_json(MATERIAL.jwks()))
BOTH = parse_jwks(as_json(MATERIAL.jwks()), secret=shared_secret(SECRET, local_development=False))
RULES = TokenRules(frozenset({ISSUER, OTHER_ISSUER}))
MAKE = Maker(ISSUER, MATERIAL, SUBJECT, SESSION, NOW)
TABLE = rows(ISSUER, MATERIAL, subject=SUBJECT, session=SESSION, now=NOW, other_issuer=OTHER_ISSUER)
ROWS = [row for row in TABLE if not row.http_only]
MOVING_ROWS = moving_rows(ISSUER, MATERIAL, SECRET, subject=SUBJECT, session=SESSION, now=NOW)

GOOD = MAKE.claiming()
GOOD_ED = MAKE.headed(eddsa(MATERIAL.ed_private), alg="EdDSA", kid=MATERIAL.ed_id)
GOOD_RSA = MAKE.headed(rs256(MATERIAL.rsa_private), alg="RS256", kid=MATERIAL.rsa_id)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def outcome(token: str, keys: KeySet = KEYS, now: float = NOW) -> RejectionReason | None:
    try:
        verify(token, keys, RULES, now)
    except TokenRejected as rejection:
        return rejection.reason
    return None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_of_the_table_gets_its_answer_for_its_reason(row: Row) -> None:
    assert outcome(row.token) is row.reason
    if row.reason is None:
        session = verify(row.token, KEYS, RULES, NOW).principal
        assert (session.user_id, session.session_id) == (SUBJECT, SESSION)


@pytest.mark.parametrize("row", MOVING_ROWS, ids=lambda row: row.name)
def test_beside_a_legacy_secret_the_key_that_a_token_names_decides(row: Row) -> None:
    assert outcome(row.token, BOTH) is row.reason


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_legacy_secret_makes_no_other_token_good(row: Row) -> None:
    assert (outcome(row.token, BOTH) is None) is (row.reason is None)


def test_a_project_without_published_keys_lives_on_its_secret() -> None:
    alone = parse_jwks(b'{"keys":[]}', secret=shared_secret(SECRET, local_development=False))
    taken = {row.name for row in MOVING_ROWS if outcome(row.token, alone) is None}
    assert taken == {
        "HS256",
        "HS256 with the kid of a secret",
        "HS256 with a published kid",
        "HS256 with the kid of the RSA key",
    }


def test_the_table_is_long_has_no_name_twice_and_knows_every_reason() -> None:
    assert len(TABLE) >= 150
    assert len({row.name for row in TABLE}) == len(TABLE)
    assert {row.reason for row in ROWS} == {None, *RejectionReason}


@pytest.mark.parametrize("row", [row for row in ROWS if row.reason is None], ids=lambda row: row.name)
def test_what_passes_here_passes_elsewhere(row: Row) -> None:
    published = {jwk["kid"]: jwt.PyJWK(jwk) for jwk in MATERIAL.jwks()["keys"]}
    claims = jwt.decode(
        row.token,
        published[jwt.get_unverified_header(row.token)["kid"]],
        algorithms=["ES256", "RS256", "EdDSA"],
        audience="authenticated",
        # the table was minted a while ago
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    assert claims["sub"] == str(SUBJECT)


def test_no_token_of_the_table_keeps_a_server_busy() -> None:
    for row in ROWS:
        fastest = min(timeit.repeat(partial(outcome, row.token), number=1, repeat=5))
        assert fastest < 0.02, row.name


def test_a_token_made_by_another_library_passes() -> None:
    token = jwt.encode(MAKE.claims(), MATERIAL.ec_private, algorithm="ES256", headers={"kid": MATERIAL.ec_id})
    assert outcome(token) is None


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(3599, None), (3629, None), (3630, RejectionReason.EXPIRED), (3631, RejectionReason.EXPIRED)],
)
def test_a_token_ends_thirty_seconds_after_its_expiry_and_not_a_moment_later(
    seconds: float, reason: RejectionReason | None
) -> None:
    assert outcome(GOOD, now=NOW + seconds) is reason
    assert outcome(GOOD, now=NOW + seconds - 0.001) is (None if seconds == 3630 else reason)


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_begins_thirty_seconds_early_and_not_a_moment_before(claim: str) -> None:
    token = MAKE.claiming(**{"iat": MISSING, claim: NOW})
    assert outcome(token, now=NOW - 30) is None
    assert outcome(token, now=NOW - 30.001) is not None


@pytest.mark.parametrize("token", [GOOD, GOOD_RSA, GOOD_ED], ids=["ES256", "RS256", "EdDSA"])
def test_no_changed_bit_of_any_segment_passes(token: str) -> None:
    for position, character in enumerate(token):
        if character == ".":
            continue
        for bit in range(6):
            changed = ALPHABET[ALPHABET.index(character) ^ (1 << bit)]
            assert outcome(token[:position] + changed + token[position + 1 :]) is not None


@given(data=st.data())
def test_no_edit_of_a_good_token_passes(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, min(len(GOOD), start + 8)))
    piece = data.draw(st.text(max_size=8) | st.text(alphabet=ALPHABET + "=.+/ \n\0", max_size=8))
    edited = GOOD[:start] + piece + GOOD[end:]
    assert edited == GOOD or outcome(edited) is not None


@given(
    token=st.text() | st.binary(max_size=300).map(lambda octets: f"{b64(octets)}.{b64(octets)}.{b64(octets)}")
)
def test_nothing_made_at_random_passes_or_breaks(token: str) -> None:
    assert outcome(token) is not None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@given(
    name=st.sampled_from(
        ["iss", "aud", "role", "sub", "session_id", "exp", "nbf", "iat", "is_anonymous", "aal"]
    ),
    value=json_values,
)
def test_a_claim_of_any_kind_is_taken_or_refused_and_never_breaks(name: str, value: Json) -> None:
    outcome(MAKE.claiming(**{name: value}))


@given(
    name=st.sampled_from(["alg", "kid", "typ"]),
    value=json_values.filter(lambda value: value != "JWT"),
)
def test_a_header_member_of_any_kind_is_refused_and_never_breaks(name: str, value: Json) -> None:
    assert outcome(MAKE.headed(**{name: value})) is not None


@given(metadata=json_values | st.dictionaries(st.sampled_from(["user_name", "name", "picture"]), json_values))
def test_metadata_of_any_kind_changes_nothing_but_what_is_shown(metadata: Json) -> None:
    session = verify(MAKE.claiming(user_metadata=metadata), KEYS, RULES, NOW).principal
    plain = verify(MAKE.claiming(user_metadata=MISSING), KEYS, RULES, NOW).principal
    assert (session.user_id, session.is_anonymous, session.assurance) == (
        plain.user_id,
        plain.is_anonymous,
        plain.assurance,
    )


@dataclass(frozen=True)
class Shown:
    metadata: dict[str, Json]
    display: DisplayFields


@pytest.mark.parametrize(
    "shown",
    [
        Shown({"user_name": "a", "preferred_username": "b", "username": "c"}, DisplayFields(username="a")),
        Shown({"preferred_username": "b", "username": "c"}, DisplayFields(username="b")),
        Shown({"username": "c"}, DisplayFields(username="c")),
        Shown({"full_name": "A B", "name": "C"}, DisplayFields(full_name="A B")),
        Shown({"name": "C"}, DisplayFields(full_name="C")),
        Shown({"avatar_url": "https://a/", "picture": "https://b/"}, DisplayFields(avatar_url="https://a/")),
        Shown({"picture": "https://b/"}, DisplayFields(avatar_url="https://b/")),
        Shown({"user_name": 7, "username": "c"}, DisplayFields(username="c")),
        Shown({"user_name": " ", "username": "c"}, DisplayFields(username="c")),
        Shown({"user_name": "a\0", "full_name": "\ud83d", "avatar_url": "x" * 2049}, DisplayFields()),
        Shown({"user_name": "x" * 101, "full_name": "x" * 201}, DisplayFields()),
        Shown({"user_name": "x" * 100, "name": "😀 ÿ"}, DisplayFields(username="x" * 100, full_name="😀 ÿ")),
        Shown({"role": "admin"}, DisplayFields()),
    ],
    ids=lambda shown: str(list(shown.metadata)),
)
def test_display_fields_come_from_the_first_usable_name(shown: Shown) -> None:
    session = verify(MAKE.claiming(user_metadata=shown.metadata), KEYS, RULES, NOW).principal
    assert session.display == shown.display


def test_a_session_says_what_the_token_says() -> None:
    session = verify(MAKE.claiming(aal="aal2", is_anonymous=True), KEYS, RULES, NOW).principal
    assert session.assurance is Assurance.AAL2
    assert session.is_anonymous
    assert session.client_id is None


def test_an_oauth_client_is_known_by_its_id() -> None:
    client = "6f2c0a52-3c7b-4f0e-9a55-0123456789ab"
    assert verify(MAKE.claiming(client_id=client), KEYS, RULES, NOW).principal.client_id == client


def test_a_rejection_holds_nothing_of_the_token() -> None:
    with pytest.raises(TokenRejected) as rejection:
        verify(MAKE.claiming(sub="user_2abc"), KEYS, RULES, NOW)
    assert str(rejection.value) == "subject_malformed"
    assert rejection.value.__cause__ is None


@pytest.mark.parametrize(
    "wrong", [{"issuers": frozenset()}, {"issuers": {""}}, {"issuers": {"x"}, "audience": ""}, {"leeway": 61}]
)
def test_rules_without_an_issuer_an_audience_or_a_limit_are_no_rules(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"issuer|leeway"):
        TokenRules(**{"issuers": frozenset({ISSUER}), **wrong})  # type: ignore[arg-type]
