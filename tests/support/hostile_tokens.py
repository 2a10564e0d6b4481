"""The table of tokens that a verifier is judged by: what is wrong with each, and what must be answered.

One table for every level: the verifier alone, and a running server. Rows are made for a moment, so make them right
before use: those about leeway are good for ten seconds.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from infrastructure.supabase.claims import RejectionReason as R
from infrastructure.supabase.jwks import PUBLIC_SECRETS
from support.minting import (
    ED25519_ORDER,
    MISSING,
    P256_ORDER,
    Json,
    KeyMaterial,
    Sign,
    as_json,
    b64,
    ec_jwk,
    ec_key,
    ecdsa,
    eddsa,
    es256,
    fixed,
    hs,
    mint,
    ps256,
    rs256,
    rs512,
    rsa_jwk,
    without_missing,
)


@dataclass(frozen=True)
class Row:
    """One request's Authorization headers, and the answer."""

    name: str
    authorization: tuple[str, ...]
    status: int
    code: str | None
    reason: R | None = None
    """What the log must say; unknown to the caller."""
    http_only: bool = False
    """About the header, not the token: a verifier never sees it."""
    unit_only: bool = False
    """No HTTP client or server would carry it."""

    @property
    def token(self) -> str:
        return self.authorization[0].removeprefix("Bearer ")


def good(name: str, token: str) -> Row:
    return Row(name, (f"Bearer {token}",), 200, None)


def bad(name: str, token: str, reason: R) -> Row:
    code = "expired_token" if reason is R.EXPIRED else "invalid_token"
    return Row(name, (f"Bearer {token}",), 401, code, reason)


def at_unit(row: Row) -> Row:
    return replace(row, unit_only=True)


@dataclass(frozen=True)
class Maker:
    """Good tokens, and every way of spoiling one thing about them."""

    issuer: str
    material: KeyMaterial
    subject: UUID
    session: UUID
    now: int

    @property
    def sign(self) -> Sign:
        return es256(self.material.ec_private)

    def header(self, **changes: Json) -> dict[str, Json]:
        return without_missing({"alg": "ES256", "kid": self.material.ec_id, "typ": "JWT"} | changes)

    def claims(self, **changes: Json) -> dict[str, Json]:
        """What Supabase Auth puts into a user's access token."""
        usual: dict[str, Json] = {
            "iss": self.issuer,
            "sub": str(self.subject),
            "aud": "authenticated",
            "exp": self.now + 3600,
            "iat": self.now,
            "email": "learner@lingualink.test",
            "phone": "",
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {"user_name": "learner", "full_name": "A Learner"},
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": self.now}],
            "session_id": str(self.session),
            "is_anonymous": False,
        }
        return without_missing(usual | changes)

    def claiming(self, **changes: Json) -> str:
        return mint(self.header(), self.claims(**changes), self.sign)

    def headed(self, sign: Sign | None = None, /, **changes: Json) -> str:
        return mint(self.header(**changes), self.claims(), sign or self.sign)

    def saying(self, payload: Json) -> str:
        return mint(self.header(), payload, self.sign)

    def text(self, old: str, new: str) -> str:
        """A payload edited as text, for what no JSON writer writes."""
        return self.saying(json.dumps(self.claims()).replace(old, new).encode(errors="surrogatepass"))


def rows(
    issuer: str,
    material: KeyMaterial,
    *,
    subject: UUID,
    session: UUID,
    now: int,
    other_issuer: str | None = None,
) -> list[Row]:
    """The whole table, for a service that trusts *issuer* and *material*, at the second *now*.

    *subject* and *session* are those of every good token, so that a running server can know them. The names of the
    rows are the same every time, if these two and the issuer are.
    """
    make = Maker(issuer, material, subject, session, now)
    sections: list[Callable[[Maker], Iterator[Row]]] = [
        friendly, algorithms, headers, key_ids, signatures, shapes, payloads,
        issuers, audiences_and_roles, subjects, times, flags, requests,
    ]  # fmt: skip
    table = [row for section in sections for row in section(make)]
    if other_issuer is not None:
        table.append(good("the other configured issuer", make.claiming(iss=other_issuer)))
    return table


def friendly(make: Maker) -> Iterator[Row]:
    material, now = make.material, make.now
    yield good("as Supabase Auth makes it", make.claiming())
    yield good("RS256", make.headed(rs256(material.rsa_private), alg="RS256", kid=material.rsa_id))
    yield good("EdDSA", make.headed(eddsa(material.ed_private), alg="EdDSA", kid=material.ed_id))
    yield good("another published key", make.headed(es256(material.second_ec), kid=material.second_ec_id))
    yield good("the other half of the ECDSA signature", make.headed(_twin(material.ec_private)))
    yield good("no typ", make.headed(typ=MISSING))
    yield good("typ in lower case", make.headed(typ="jwt"))
    yield good("a header member that nobody knows", make.headed(lang="eo"))
    yield good("audience in a list", make.claiming(aud=["authenticated"]))
    yield good("audience among others", make.claiming(aud=["api", "authenticated"]))
    yield good("expired within the leeway", make.claiming(exp=now - 5))
    yield good("expiry with a fraction", make.claiming(exp=now + 60.5))
    yield good("expiry in an exponent", make.text(f'"exp": {now + 3600}', '"exp": 4e9'))
    yield good("not before a moment ago", make.claiming(nbf=now - 60))
    yield good("not before, within the leeway", make.claiming(nbf=now + 20))
    yield good("issued by a clock ahead of ours", make.claiming(iat=now + 20))
    yield good("no iat", make.claiming(iat=MISSING))
    yield good("a second factor", make.claiming(aal="aal2"))
    yield good("a third level", make.claiming(aal="aal3"))
    yield good("no level: the lowest", make.claiming(aal=MISSING))
    yield good("no is_anonymous", make.claiming(is_anonymous=MISSING))
    yield good("no metadata", make.claiming(user_metadata=MISSING, app_metadata=MISSING))
    yield good("metadata that is a list", make.claiming(user_metadata=["admin"]))
    yield good("metadata that is null", make.claiming(user_metadata=None))
    yield good("metadata claiming a role", make.claiming(user_metadata={"role": "admin", "is_admin": True}))
    yield good("app metadata claiming a role", make.claiming(app_metadata={"role": "admin"}))
    yield good(
        "names that no database takes", make.claiming(user_metadata={"name": "a\0b", "user_name": "\ud800"})
    )
    yield good("a third-party app's client_id", make.claiming(client_id=str(uuid4()), scope="openid"))
    yield good("twenty levels of metadata", make.claiming(user_metadata=_nested(20)))
    yield good("brackets that are only text", make.claiming(user_metadata={"bio": '[{\\"' * 500}))
    yield good("many lists side by side", make.claiming(user_metadata={"x": [[]] * 500}))
    yield good("white space in the JSON", make.saying(json.dumps(make.claims(), indent=4).encode()))
    yield good("members in another order", make.saying(dict(reversed(make.claims().items()))))
    yield good("nearly as long as may be", make.claiming(user_metadata={"bio": "x" * 10_000}))


def algorithms(make: Maker) -> Iterator[Row]:
    material = make.material
    for spelling in ("none", "None", "NONE", "nOnE", "none ", ""):
        for signed, signature in (("unsigned", fixed(b"")), ("signed", make.sign)):
            yield bad(
                f"alg {spelling!r}, {signed}", make.headed(signature, alg=spelling), R.ALGORITHM_NOT_ALLOWED
            )
    yield bad(
        "alg none without a kid", make.headed(fixed(b""), alg="none", kid=MISSING), R.ALGORITHM_NOT_ALLOWED
    )
    for alg in (MISSING, None, 0, True, ["ES256"], {"ES256": 1}, "es256", "ES256 ", "ES256\0", "ECDSA", "*"):
        yield bad(f"alg {_shown(alg)}", make.headed(alg=alg), R.ALGORITHM_NOT_ALLOWED)
    for alg in (
        "ES384",
        "ES512",
        "ES256K",
        "Ed25519",
        "Ed448",
        "RS384",
        "RS512",
        "PS256",
        "RSA1_5",
        "dir",
        "A128KW",
    ):
        yield bad(f"alg {alg}", make.headed(alg=alg), R.ALGORITHM_NOT_ALLOWED)
    yield bad("alg of another key", make.headed(alg="RS256"), R.ALGORITHM_NOT_OF_KEY)
    yield bad("alg EdDSA for an EC key", make.headed(alg="EdDSA"), R.ALGORITHM_NOT_OF_KEY)
    yield bad("alg of an Ed25519 key said to be EC", make.headed(kid=material.ed_id), R.ALGORITHM_NOT_OF_KEY)
    yield bad("alg of an RSA key said to be EC", make.headed(kid=material.rsa_id), R.ALGORITHM_NOT_OF_KEY)
    yield bad("RSA signature under an EC key", make.headed(rs256(material.rsa_private)), R.SIGNATURE_WRONG)
    rsa_header = {"alg": "RS256", "kid": material.rsa_id}
    yield bad(
        "PSS signature under RS256", make.headed(ps256(material.rsa_private), **rsa_header), R.SIGNATURE_WRONG
    )
    yield bad(
        "SHA-512 under RS256", make.headed(rs512(material.rsa_private), **rsa_header), R.SIGNATURE_WRONG
    )
    yield bad("P-384 signature", make.headed(ecdsa(ec_key(ec.SECP384R1()), SHA384())), R.SIGNATURE_WRONG)
    for what, secret in _public_key_spellings(material).items():
        for alg in ("HS256", "HS384", "HS512"):
            yield bad(f"{alg} with {what}", make.headed(hs(secret, alg), alg=alg), R.ALGORITHM_NOT_ALLOWED)
        yield bad(f"HMAC with {what} under ES256", make.headed(hs(secret)), R.SIGNATURE_WRONG)
    for number, secret_text in enumerate(sorted(PUBLIC_SECRETS)):
        known = hs(secret_text.encode())
        yield bad(
            f"HS256 with public secret {number}", make.headed(known, alg="HS256"), R.ALGORITHM_NOT_ALLOWED
        )
        yield bad(
            f"HS256 with public secret {number}, no kid",
            make.headed(known, alg="HS256", kid=MISSING),
            R.ALGORITHM_NOT_ALLOWED,
        )
    yield bad("HS256 with an empty secret", make.headed(hs(b""), alg="HS256"), R.ALGORITHM_NOT_ALLOWED)


def headers(make: Maker) -> Iterator[Row]:
    stranger = make.material.stranger
    own = es256(stranger)
    jwk = ec_jwk(stranger, make.material.ec_id)
    yield bad("a key of its own", make.headed(own, jwk=jwk), R.HEADER_FORBIDDEN)
    yield bad("a key of its own and no kid", make.headed(own, jwk=jwk, kid=MISSING), R.HEADER_FORBIDDEN)
    yield bad(
        "our own key as jwk",
        make.headed(jwk=ec_jwk(make.material.ec_private, make.material.ec_id)),
        R.HEADER_FORBIDDEN,
    )
    for member in ("jku", "x5u"):
        yield bad(
            f"{member} elsewhere", make.headed(own, **{member: "http://127.0.0.1:1/keys"}), R.HEADER_FORBIDDEN
        )
        yield bad(
            f"{member}, well signed", make.headed(**{member: "http://127.0.0.1:1/keys"}), R.HEADER_FORBIDDEN
        )
    for member in ("x5c", "x5t", "x5t#S256"):
        yield bad(member, make.headed(**{member: ["MIIB"]}), R.HEADER_FORBIDDEN)
    for crit in (["b64"], ["exp"], [], "b64", None, ["x"]):
        yield bad(f"crit {crit}", make.headed(crit=crit, x=1), R.HEADER_FORBIDDEN)
    for b64_member in (True, False, None):
        yield bad(f"b64 {b64_member}", make.headed(b64=b64_member), R.HEADER_FORBIDDEN)
    yield bad("b64 and crit", make.headed(b64=False, crit=["b64"]), R.HEADER_FORBIDDEN)
    yield bad(
        "a nested token",
        mint(make.header(cty="JWT"), make.claiming().encode(), make.sign),
        R.HEADER_FORBIDDEN,
    )
    yield bad("encrypted, by its header", make.headed(enc="A128GCM"), R.HEADER_FORBIDDEN)
    yield bad("compressed", make.headed(zip="DEF"), R.HEADER_FORBIDDEN)
    for kind in ("at+jwt", "JOSE", "JOSE+JSON", "dpop+jwt", "logout+jwt", "", None, 1, ["JWT"]):
        yield bad(f"typ {kind!r}", make.headed(typ=kind), R.TYPE_NOT_JWT)
    written = as_json(make.header()).decode()
    for name, header in {
        "header that is empty": b"",
        "header that is a list": as_json([make.header()]),
        "header that is a string": as_json("ES256"),
        "header that is null": b"null",
        "header cut short": written[:-1].encode(),
        "header with a trailing comma": f"{written[:-1]},}}".encode(),
        "header with something behind it": f"{written}x".encode(),
        "header with single quotes": written.replace('"', "'").encode(),
        "header with a byte order mark": b"\xef\xbb\xbf" + written.encode(),
        "header in UTF-16": written.encode("utf-16"),
        "header in UTF-32": written.encode("utf-32"),
        "header in Latin-1": written.replace("JWT", "J\xe9").encode("latin-1"),
        "header with NaN": f'{written[:-1]},"x":NaN}}'.encode(),
        "header with an infinite number": f'{written[:-1]},"x":1e999}}'.encode(),
        "header with two alg": f'{written[:-1]},"alg":"ES256"}}'.encode(),
        "header with none before the real alg": f'{{"alg":"none",{written[1:]}'.encode(),
        "header with two kid": f'{written[:-1]},"kid":"{make.material.ec_id}"}}'.encode(),
        "header with an escaped second alg": f'{written[:-1]},"\\u0061lg":"none"}}'.encode(),
        "header with a number too long": f'{written[:-1]},"x":{"9" * 5000}}}'.encode(),
        "header nested 5000 deep": f'{written[:-1]},"x":{"[" * 5000}{"]" * 5000}}}'.encode(),
        "header nested 65 deep": f'{written[:-1]},"x":{"[" * 64}{"]" * 64}}}'.encode(),
        "header of open brackets": b"[" * 6000,
        "header of escaped quotes": b"[" * 65 + b'"' + b'\\"' * 4000,
    }.items():
        yield bad(name, mint(header, make.claims(), make.sign), R.HEADER_NOT_JSON)
    yield bad("empty header object", mint({}, make.claims(), make.sign), R.ALGORITHM_NOT_ALLOWED)


def key_ids(make: Maker) -> Iterator[Row]:
    key_id = make.material.ec_id
    yield bad("no kid", make.headed(kid=MISSING), R.KEY_ID_MISSING)
    for wrong in (None, 0, 1.5, True, [key_id], {"kid": key_id}, "", key_id * 300, "k" * 129):
        yield bad(f"kid {_shown(wrong)}", make.headed(kid=wrong), R.KEY_ID_MALFORMED)
    for wrong in (
        "../../../../dev/null",
        "' OR 1=1 --",
        "http://127.0.0.1:1/key",
        "b81269f1-21d8-4f2e-b719-c2240a840d90",
        "dddddddd-0000-4000-8000-000000000004",
        key_id.upper(),
        key_id[:-1],
        f"{key_id}\n",
        f" {key_id}",
        f"{key_id}\0",
        f"{{{key_id}}}",
        "\ud800",
        "__proto__",
        "0",
    ):
        yield bad(f"kid {wrong!r}", make.headed(kid=wrong), R.KEY_UNKNOWN)
    yield bad(
        "unknown kid, signed by a stranger",
        make.headed(es256(make.material.stranger), kid="stranger"),
        R.KEY_UNKNOWN,
    )
    yield bad(
        "kid of a published key that did not sign",
        make.headed(kid=make.material.second_ec_id),
        R.SIGNATURE_WRONG,
    )


def signatures(make: Maker) -> Iterator[Row]:
    key = make.material.ec_private
    signing_input, _, signature = make.claiming().rpartition(".")

    def put(name: str, text: str, reason: R = R.SIGNATURE_WRONG) -> Row:
        return bad(f"signature: {name}", f"{signing_input}.{text}", reason)

    octets = make.sign(signing_input.encode())
    r, s = octets[:32], octets[32:]
    order = P256_ORDER.to_bytes(32, "big")
    der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    for name, forged in {
        "none": b"",
        "one zero": b"\0",
        "all zeroes": bytes(64),
        "all ones": b"\xff" * 64,
        "r is zero": bytes(32) + s,
        "s is zero": r + bytes(32),
        "r is the order": order + s,
        "s is the order": r + order,
        "r and s swapped": s + r,
        "cut by one octet": octets[:-1],
        "r alone": r,
        "one octet more": octets + b"\0",
        "a zero before": b"\0" + octets,
        "zeroes before both": b"\0" + r + b"\0" + s,
        "twice": octets * 2,
        "in DER": der,
    }.items():
        yield put(name, b64(forged))
    payload = signing_input.partition(".")[2]
    yield put("of a stranger", b64(es256(make.material.stranger)(signing_input.encode())))
    yield put("of the payload alone", b64(make.sign(payload.encode())))
    yield put("with the dot at its end", b64(make.sign(f"{signing_input}.".encode())))
    yield put("of another token", make.claiming(sub=str(uuid4())).rpartition(".")[2])
    yield bad(
        "payload of another token",
        _swap(make.claiming(), 1, make.claiming(sub=str(uuid4()))),
        R.SIGNATURE_WRONG,
    )
    yield bad("header of another token", _swap(make.claiming(), 0, make.headed(x=1)), R.SIGNATURE_WRONG)
    yield put("padded", f"{signature}==", R.NOT_BASE64URL)
    yield put("padded by one", f"{signature}=", R.NOT_BASE64URL)
    yield put("with stray bits", _stray_bits(signature), R.NOT_BASE64URL)
    yield put("cut by one character", signature[:-1], R.NOT_BASE64URL)
    yield put("in the other alphabet", "+/" + signature[2:], R.NOT_BASE64URL)
    yield put("with a percent sign", "%2D" + signature[1:], R.NOT_BASE64URL)
    yield put("with a character between", f"{signature[:40]}!{signature[40:]}", R.NOT_BASE64URL)
    yield put("with a space between", f"{signature[:40]} {signature[40:]}", R.NOT_BASE64URL)
    yield at_unit(put("with a newline behind", f"{signature}\n", R.NOT_BASE64URL))
    yield at_unit(put("with a newline between", f"{signature[:40]}\n{signature[40:]}", R.NOT_BASE64URL))
    rsa_header = {"alg": "RS256", "kid": make.material.rsa_id}
    rsa_token = make.headed(rs256(make.material.rsa_private), **rsa_header)
    rsa_octets = rs256(make.material.rsa_private)(rsa_token.rpartition(".")[0].encode())
    for name, forged in {
        "none": b"",
        "all zeroes": bytes(256),
        "one": bytes(255) + b"\1",
        "the modulus": make.material.rsa_private.public_key().public_numbers().n.to_bytes(256, "big"),
        "cut by one octet": rsa_octets[:-1],
        "a zero before": b"\0" + rsa_octets,
    }.items():
        yield bad(f"RSA signature: {name}", make.headed(fixed(forged), **rsa_header), R.SIGNATURE_WRONG)
    yield from ed25519_signatures(make)
    low = ec.derive_private_key(1, ec.SECP256R1())
    yield bad("signed with the private key 1", make.headed(es256(low)), R.SIGNATURE_WRONG)
    yield bad("ECDSA over SHA-384", make.headed(ecdsa(key, SHA384())), R.SIGNATURE_WRONG)


def ed25519_signatures(make: Maker) -> Iterator[Row]:
    """RFC 8032 section 5.1.7: s is below the order of the group, so that a signature has no twin."""
    material = make.material
    header: dict[str, Json] = {"alg": "EdDSA", "kid": material.ed_id}

    def plus_order(message: bytes) -> bytes:
        octets = material.ed_private.sign(message)
        s = int.from_bytes(octets[32:], "little") + ED25519_ORDER
        return octets[:32] + s.to_bytes(32, "little")

    def changed(change: Callable[[bytes], bytes]) -> Sign:
        return lambda message: change(material.ed_private.sign(message))

    for name, forged in {
        "none": fixed(b""),
        "all zeroes": fixed(bytes(64)),
        "the neutral point and zero": fixed(b"\1" + bytes(63)),
        "its twin, s plus the order": plus_order,
        "cut by one octet": changed(lambda octets: octets[:-1]),
        "one octet more": changed(lambda octets: octets + b"\0"),
        "halves swapped": changed(lambda octets: octets[32:] + octets[:32]),
        "of a P-256 key": make.sign,
        "of a stranger": eddsa(Ed25519PrivateKey.generate()),
        "of the public key, by HMAC": hs(material.ed_private.public_key().public_bytes_raw()),
    }.items():
        yield bad(f"Ed25519 signature: {name}", make.headed(forged, **header), R.SIGNATURE_WRONG)


def shapes(make: Maker) -> Iterator[Row]:
    token = make.claiming()
    header, payload, signature = token.split(".")
    flattened = {"protected": header, "payload": payload, "signature": signature}
    for name, text in {
        "a word": "token",
        "an opaque secret key": "sb_secret_" + "x" * 32,
        "an opaque publishable key": "sb_publishable_" + "x" * 32,
        "an id": str(uuid4()),
        "two parts": f"{header}.{payload}",
        "one dot": ".",
        "four parts": f"{token}.{signature}",
        "five parts, as encrypted": f"{token}.{payload}.{signature}",
        "a dot behind": f"{token}.",
        "a dot before": f".{token}",
        "many dots": "." * 5000,
        "flattened JSON": json.dumps(flattened),
        "general JSON": json.dumps({"payload": payload, "signatures": [flattened]}),
        "two tokens": f"{token},{token}",
    }.items():
        yield bad(name, text, R.NOT_COMPACT)
    for name, text in {
        "in quotes": f'"{token}"',
        "in angle brackets": f"<{token}>",
        "padded header": f"{header}=.{payload}.{signature}",
        "padded payload": f"{header}.{payload}=.{signature}",
        "stray bits in the header": _with_stray_bits(make, 0),
        "stray bits in the payload": _with_stray_bits(make, 1),
        "other alphabet in the payload": f"{header}.+/{payload}.{signature}",
        "a character that is no base64": f"{header}.{payload[:9]}*{payload[9:]}.{signature}",
    }.items():
        yield bad(name, text, R.NOT_BASE64URL)
    yield bad("two dots", "..", R.HEADER_NOT_JSON)
    yield bad("header missing", f".{payload}.{signature}", R.HEADER_NOT_JSON)
    yield bad("header and payload swapped", f"{payload}.{header}.{signature}", R.ALGORITHM_NOT_ALLOWED)
    yield bad("payload missing", f"{header}..{signature}", R.SIGNATURE_WRONG)
    yield bad("longer than may be", make.claiming(user_metadata={"bio": "x" * 13_000}), R.TOO_LARGE)
    # Over HTTP so long a header is 431 before anybody looks into it.
    yield at_unit(bad("much longer than may be", f"{header}.{'A' * 40_000}.{signature}", R.TOO_LARGE))
    yield at_unit(bad("empty", "", R.NOT_COMPACT))
    yield at_unit(bad("a letter that only looks right", token.replace("e", "\u0435", 1), R.NOT_COMPACT))
    yield at_unit(bad("a dot that only looks right", token.replace(".", "\uff0e"), R.NOT_COMPACT))
    yield at_unit(bad("half a surrogate pair", f"{token}\ud800", R.NOT_COMPACT))
    yield at_unit(bad("a NUL behind", f"{token}\0", R.NOT_BASE64URL))


def payloads(make: Maker) -> Iterator[Row]:
    written = json.dumps(make.claims())
    for name, payload in {
        "empty payload": b"",
        "payload that is a list": as_json([make.claims()]),
        "payload that is a string": b'"x"',
        "payload that is null": b"null",
        "payload that is a number": b"1",
        "payload cut short": written[:-1].encode(),
        "payload with a trailing comma": f"{written[:-1]},}}".encode(),
        "payload with something behind it": f"{written}{{}}".encode(),
        "payload with a comment": f"{written}/**/".encode(),
        "payload with a byte order mark": b"\xef\xbb\xbf" + written.encode(),
        "payload in UTF-16": written.encode("utf-16"),
        "payload in UTF-16 without a mark": written.encode("utf-16-le"),
        "payload in UTF-32": written.encode("utf-32"),
        "payload that is no UTF-8": written.replace("learner", "l\xe9").encode("latin-1"),
        "overlong UTF-8": written.encode().replace(b"learner", b"\xc1\xa1"),
        "a raw control character": written.replace("learner", "l\x01").encode(),
        "two sub": f'{written[:-1]}, "sub": "{make.subject}"}}'.encode(),
        "two exp": f'{{"exp": 1, {written[1:]}'.encode(),
        "two role": f'{{"role": "service_role", {written[1:]}'.encode(),
        "two sub, one escaped": f'{{"s\\u0075b": "{uuid4()}", {written[1:]}'.encode(),
        "two members deep inside": f'{written[:-1]}, "x": [{{"a": 1, "a": 1}}]}}'.encode(),
        "NaN in metadata": f'{written[:-1]}, "x": NaN}}'.encode(),
        "payload nested 5000 deep": f'{written[:-1]}, "x": {"[" * 5000}{"]" * 5000}}}'.encode(),
        "payload nested 65 deep": f'{written[:-1]}, "x": {"[" * 64}{"]" * 64}}}'.encode(),
        "payload nested after text": f'{written[:-1]}, "y": "]]]]\\"]]]]", "x": {"[" * 64}{"]" * 64}}}'.encode(),
        "payload of open braces": b'{"a":' * 2000,
        "payload of open brackets": b"[" * 11_000,
    }.items():
        yield bad(name, make.saying(payload), R.PAYLOAD_NOT_JSON)
    yield bad("empty payload object", make.saying({}), R.ISSUER_WRONG)


def issuers(make: Maker) -> Iterator[Row]:
    issuer = make.issuer
    for wrong in (
        MISSING, None, "", 0, True, [issuer], {"iss": issuer}, f"{issuer}/", issuer[:-1], issuer.upper(), f"{issuer}\0",
        f" {issuer}", f"{issuer}\n", f"{issuer}?", f"{issuer}#", f"{issuer}/..", issuer.replace("auth", "a\u0443th"),
        "supabase", "https://evil.example/auth/v1", f"https://evil.example/?{issuer}", issuer.rpartition("/auth")[0],
        f"{issuer.partition('://')[0]}://user@{issuer.partition('://')[2]}", "*",
    ):  # fmt: skip
        yield bad(f"iss {_shown(wrong)}", make.claiming(iss=wrong), R.ISSUER_WRONG)


def audiences_and_roles(make: Maker) -> Iterator[Row]:
    for wrong in (
        MISSING, None, "", 0, True, "anon", "Authenticated", "authenticated ", "authenticate", "authenticated,anon",
        [], [""], ["anon"], [["authenticated"]], ["authenticated", 1], ["authenticated", None], {"authenticated": 1},
    ):  # fmt: skip
        yield bad(f"aud {_shown(wrong)}", make.claiming(aud=wrong), R.AUDIENCE_WRONG)
    for wrong in (
        MISSING, None, "", 0, True, "anon", "service_role", "supabase_admin", "postgres", "admin", "moderator",
        "AUTHENTICATED", "authenticated\0", ["authenticated"], {"authenticated": 1},
    ):  # fmt: skip
        yield bad(f"role {_shown(wrong)}", make.claiming(role=wrong), R.ROLE_WRONG)


def subjects(make: Maker) -> Iterator[Row]:
    for claim, right, reason in (
        ("sub", str(make.subject), R.SUBJECT_MALFORMED),
        ("session_id", str(make.session), R.SESSION_ID_MALFORMED),
    ):
        for wrong in (
            MISSING, None, "", 0, 1e3, True, [right], {"id": right}, str(UUID(int=0)), "AB" + right[2:],
            right.replace("-", ""), f"{{{right}}}", f"urn:uuid:{right}", f"{right}\n", f" {right}", f"{right}\0",
            right[:-1], f"{right}0", "user_2abc", "../../etc/passwd", "x" * 5000, "' OR '1'='1", "\u0661" + right[1:],
            right.replace("-", "\u2010"), "\ud800" + right[1:],
        ):  # fmt: skip
            yield bad(f"{claim} {_shown(wrong)}", make.claiming(**{claim: wrong}), reason)


def times(make: Maker) -> Iterator[Row]:
    now = make.now
    for ago in (40, 120, 3600, 31_536_000):
        yield bad(f"expired {ago} s ago", make.claiming(exp=now - ago), R.EXPIRED)
    yield bad("expired in 1970", make.claiming(exp=0), R.EXPIRED)
    yield bad("expired before 1970", make.claiming(exp=-1), R.EXPIRED)
    yield bad("expired, with a fraction", make.claiming(exp=now - 60.5), R.EXPIRED)
    yield bad(
        "expired and wrongly signed", make_expired(make, es256(make.material.stranger)), R.SIGNATURE_WRONG
    )
    yield bad("expired and not ours", make.claiming(exp=now - 120, iss="x"), R.ISSUER_WRONG)
    yield bad("expired before it began", make.claiming(exp=now - 120, nbf=now + 120), R.NOT_YET_VALID)
    for claim, reason in (
        ("exp", R.EXPIRY_MALFORMED),
        ("nbf", R.NOT_BEFORE_MALFORMED),
        ("iat", R.ISSUED_AT_MALFORMED),
    ):
        moment = now + 3600 if claim == "exp" else now
        for wrong in (
            None,
            "",
            str(moment),
            True,
            False,
            [moment],
            {"s": moment},
            10**400,
            -(10**400),
            2**63,
        ):
            shown = _shown(wrong).replace(str(moment), "a moment")
            yield bad(f"{claim} {shown}", make.claiming(**{claim: wrong}), reason)
        for literal in (
            "NaN",
            "Infinity",
            "-Infinity",
            "1e999",
            "-1e999",
            "9" * 5000,
            "0x10",
            "+1",
            "01",
            "1_000",
        ):
            token = make.saying(
                json.dumps(make.claims(**{claim: 123456})).replace("123456", literal).encode()
            )
            yield bad(f"{claim} written {literal[:9]}", token, R.PAYLOAD_NOT_JSON)
    yield bad("no exp", make.claiming(exp=MISSING), R.EXPIRY_MALFORMED)
    yield bad("not before two minutes from now", make.claiming(nbf=now + 120), R.NOT_YET_VALID)
    yield bad("issued two minutes from now", make.claiming(iat=now + 120), R.ISSUED_IN_FUTURE)
    yield bad("milliseconds for seconds", make.claiming(iat=now * 1000), R.ISSUED_IN_FUTURE)


def flags(make: Maker) -> Iterator[Row]:
    wrong: Json
    for wrong in (None, 0, 1, "", "false", "true", [], {}):
        yield bad(f"is_anonymous {_shown(wrong)}", make.claiming(is_anonymous=wrong), R.ANONYMITY_MALFORMED)
    for wrong in (
        None,
        0,
        True,
        "",
        " ",
        "a b",
        "x" * 256,
        "app\n",
        "\u00e4pp",
        "a\0",
        [str(make.subject)],
        {"id": "x"},
    ):
        yield bad(f"client_id {_shown(wrong)}", make.claiming(client_id=wrong), R.CLIENT_MALFORMED)
    for wrong in (None, 0, 2, True, "", "aal0", "aal4", "AAL2", "aal2 ", ["aal2"], {"aal2": 1}):
        yield bad(f"aal {_shown(wrong)}", make.claiming(aal=wrong), R.ASSURANCE_UNKNOWN)


def requests(make: Maker) -> Iterator[Row]:
    """What only a server sees: the header itself (RFC 9110 section 11.6.2, RFC 6750 section 2.1)."""
    token, other = make.claiming(), make.claiming(aal="aal2")

    def ask(name: str, *authorization: str, code: str | None) -> Row:
        return Row(name, authorization, 200 if code is None else 401, code, http_only=True)

    yield ask("scheme in lower case", f"bearer {token}", code=None)
    yield ask("scheme in upper case", f"BEARER {token}", code=None)
    yield ask("no header", code="missing_token")
    yield ask("an empty header", "", code="missing_token")
    yield ask("another scheme", f"Basic {token}", code="missing_token")
    yield ask("another scheme with a prefix", f"BearerX {token}", code="missing_token")
    yield ask("no scheme", token, code="missing_token")
    yield ask("a scheme alone", "Bearer", code="missing_token")
    yield ask("two headers, both good", f"Bearer {token}", f"Bearer {other}", code="invalid_token")
    yield ask("two headers, the same", f"Bearer {token}", f"Bearer {token}", code="invalid_token")
    yield ask("two headers, the second bad", f"Bearer {token}", "Bearer x", code="invalid_token")
    yield ask("two headers, the first bad", "Bearer x", f"Bearer {token}", code="invalid_token")
    yield ask("two headers, one of another scheme", "Basic eDp5", f"Bearer {token}", code="invalid_token")
    yield ask("two tokens in one header", f"Bearer {token}, Bearer {other}", code="invalid_token")
    yield ask("a token and a word", f"Bearer {token} x", code="invalid_token")
    yield ask("the scheme twice", f"Bearer Bearer {token}", code="invalid_token")
    yield ask("a parameter", f'Bearer token="{token}"', code="invalid_token")


def moving_rows(
    issuer: str, material: KeyMaterial, secret: str, *, subject: UUID, session: UUID, now: int
) -> list[Row]:
    """The table for a service that was given *secret* beside the published *material*, as while a project moves.

    A key decides its algorithm: the secret is good for HS256 alone, and never for a token that names a published key.
    """
    make = Maker(issuer, material, subject, session, now)
    right = hs(secret.encode())

    def headed(sign: Sign = right, **changes: Json) -> str:
        return make.headed(sign, **({"alg": "HS256", "kid": MISSING} | changes))

    return [
        good("HS256", headed()),
        good("HS256 with the kid of a secret", headed(kid="old")),
        good("ES256", make.headed()),
        good("RS256", make.headed(rs256(material.rsa_private), alg="RS256", kid=material.rsa_id)),
        good("EdDSA", make.headed(eddsa(material.ed_private), alg="EdDSA", kid=material.ed_id)),
        bad("HS256 with a published kid", headed(kid=material.ec_id), R.ALGORITHM_NOT_OF_KEY),
        bad("HS256 with the kid of the RSA key", headed(kid=material.rsa_id), R.ALGORITHM_NOT_OF_KEY),
        bad("HS256 signed by a published key", headed(make.sign), R.SIGNATURE_WRONG),
        bad("ES256 signed with the secret", headed(alg="ES256", kid=material.ec_id), R.SIGNATURE_WRONG),
        bad("ES256 without a kid, signed with the secret", headed(alg="ES256"), R.KEY_ID_MISSING),
        bad("ES256 with the kid of a secret", headed(alg="ES256", kid="old"), R.KEY_UNKNOWN),
        bad("HS256 with another secret", headed(hs(b"x" * 40)), R.SIGNATURE_WRONG),
        bad("HS256 with an empty secret", headed(hs(b"")), R.SIGNATURE_WRONG),
        bad("HS256 with the secret and a newline", headed(hs(f"{secret}\n".encode())), R.SIGNATURE_WRONG),
        *(
            bad(f"HS256 with public secret {number}", headed(hs(public.encode())), R.SIGNATURE_WRONG)
            for number, public in enumerate(sorted(PUBLIC_SECRETS))
        ),
        *(
            bad(f"HS256 with {what}", headed(hs(public), **kid), reason)
            for what, public in _public_key_spellings(material).items()
            for kid, reason in (({}, R.SIGNATURE_WRONG), ({"kid": material.ec_id}, R.ALGORITHM_NOT_OF_KEY))
        ),
        bad("a cut tag", headed(lambda message: right(message)[:16]), R.SIGNATURE_WRONG),
        bad("no tag", headed(fixed(b"")), R.SIGNATURE_WRONG),
        bad("HS384", headed(hs(secret.encode(), "HS384"), alg="HS384"), R.ALGORITHM_NOT_ALLOWED),
        bad("HS512", headed(hs(secret.encode(), "HS512"), alg="HS512"), R.ALGORITHM_NOT_ALLOWED),
        bad("SHA-512 under HS256", headed(hs(secret.encode(), "HS512")), R.SIGNATURE_WRONG),
        bad("none", headed(fixed(b""), alg="none"), R.ALGORITHM_NOT_ALLOWED),
        bad("a kid that is a number", headed(kid=1), R.KEY_ID_MALFORMED),
        bad(
            "the anon key",
            mint(make.header(alg="HS256", kid=MISSING), _api_key("anon", now), right),
            R.AUDIENCE_WRONG,
        ),
        bad(
            "the service_role key",
            mint(make.header(alg="HS256", kid=MISSING), _api_key("service_role", now), right),
            R.AUDIENCE_WRONG,
        ),
    ]


def make_expired(make: Maker, sign: Sign) -> str:
    return mint(make.header(), make.claims(exp=make.now - 120), sign)


def _api_key(role: str, now: int) -> dict[str, Json]:
    return {
        "iss": "supabase",
        "ref": "abcdefghijklmnopqrst",
        "role": role,
        "iat": now,
        "exp": now + 315_360_000,
    }


def _public_key_spellings(material: KeyMaterial) -> dict[str, bytes]:
    public, rsa_public = material.ec_private.public_key(), material.rsa_private.public_key()
    jwk = ec_jwk(material.ec_private, material.ec_id)
    ed_public = material.ed_private.public_key()
    return {
        "the octets of the Ed25519 key": ed_public.public_bytes_raw(),
        "the PEM of the public key": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "the DER of the public key": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "the point of the public key": public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        "the JWK of the public key": as_json(jwk),
        "the x of the public key": str(jwk["x"]).encode(),
        "the PEM of the RSA key": rsa_public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "the n of the RSA key": str(rsa_jwk(material.rsa_private, "x")["n"]).encode(),
    }


def _twin(key: ec.EllipticCurvePrivateKey) -> Sign:
    """ECDSA knows two signatures, s and n - s; RFC 7518 section 3.4 prefers neither, and signers make both."""

    def sign(message: bytes) -> bytes:
        octets = es256(key)(message)
        return octets[:32] + (P256_ORDER - int.from_bytes(octets[32:], "big")).to_bytes(32, "big")

    return sign


_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _stray_bits(text: str) -> str:
    """The same octets for a lenient reader: a bit set behind the last one."""
    return text[:-1] + _ALPHABET[_ALPHABET.index(text[-1]) | 1]


def _with_stray_bits(make: Maker, part: int) -> str:
    """A signed token whose *part* has a second spelling, signed as spelt."""
    for filler in range(3):
        header, claims = make.header(x="x" * filler), make.claims(x="x" * filler)
        parts = [b64(as_json(header)), b64(as_json(claims))]
        if len(parts[part]) % 4:
            parts[part] = _stray_bits(parts[part])
            signing_input = ".".join(parts)
            return f"{signing_input}.{b64(make.sign(signing_input.encode()))}"
    raise AssertionError("one of three lengths is no multiple of three")


def _swap(token: str, part: int, other: str) -> str:
    parts = token.split(".")
    parts[part] = other.split(".")[part]
    return ".".join(parts)


def _nested(levels: int) -> Json:
    value: Json = "x"
    for _ in range(levels):
        value = {"x": value}
    return value


def _shown(value: Json) -> str:
    return "missing" if value is MISSING else f"{value!a:.90}"
