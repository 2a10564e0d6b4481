"""Makes tokens byte by byte, the way no library would: whatever is wrong with one is wrong on purpose."""

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512, HashAlgorithm

Json = object
Sign = Callable[[bytes], bytes]

ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class KeyMaterial:
    """Two published P-256 keys, an RSA and an Ed25519 one, and a P-256 key that nobody knows: always of these names."""

    ec_private: ec.EllipticCurvePrivateKey
    ec_id: str
    second_ec: ec.EllipticCurvePrivateKey
    second_ec_id: str
    rsa_private: rsa.RSAPrivateKey
    rsa_id: str
    ed_private: ed25519.Ed25519PrivateKey
    ed_id: str
    stranger: ec.EllipticCurvePrivateKey

    @classmethod
    def fresh(cls) -> "KeyMaterial":
        return cls(
            ec_private=ec_key(),
            ec_id="aaaaaaaa-0000-4000-8000-000000000001",
            second_ec=ec_key(),
            second_ec_id="bbbbbbbb-0000-4000-8000-000000000002",
            rsa_private=rsa_key(2048),
            rsa_id="cccccccc-0000-4000-8000-000000000003",
            ed_private=ed25519.Ed25519PrivateKey.generate(),
            ed_id="eeeeeeee-0000-4000-8000-000000000005",
            stranger=ec_key(),
        )

    def jwks(self) -> dict[str, list[dict[str, Json]]]:
        """What Supabase Auth would publish of it."""
        return {
            "keys": [
                ec_jwk(self.ec_private, self.ec_id),
                ec_jwk(self.second_ec, self.second_ec_id),
                rsa_jwk(self.rsa_private, self.rsa_id),
                ed_jwk(self.ed_private, self.ed_id),
            ]
        }


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_jwk(key: ec.EllipticCurvePrivateKey, key_id: str, **changes: Json) -> dict[str, Json]:
    numbers = key.public_key().public_numbers()
    size = (key.curve.key_size + 7) // 8
    published: dict[str, Json] = {
        "kty": "EC",
        "crv": {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}[key.curve.name],
        "x": b64(numbers.x.to_bytes(size, "big")),
        "y": b64(numbers.y.to_bytes(size, "big")),
        "kid": key_id,
        "use": "sig",
        "key_ops": ["verify"],
        "alg": "ES256",
        "ext": True,
    }
    return without_missing(published | changes)


def rsa_jwk(key: rsa.RSAPrivateKey, key_id: str, **changes: Json) -> dict[str, Json]:
    numbers = key.public_key().public_numbers()
    published: dict[str, Json] = {
        "kty": "RSA",
        "n": b64(numbers.n.to_bytes((key.key_size + 7) // 8, "big")),
        "e": b64(numbers.e.to_bytes(3, "big")),
        "kid": key_id,
        "use": "sig",
        "key_ops": ["verify"],
        "alg": "RS256",
    }
    return without_missing(published | changes)


def ed_jwk(key: ed25519.Ed25519PrivateKey, key_id: str, **changes: Json) -> dict[str, Json]:
    published: dict[str, Json] = {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": b64(key.public_key().public_bytes_raw()),
        "kid": key_id,
        "use": "sig",
        "key_ops": ["verify"],
        "alg": "EdDSA",
    }
    return without_missing(published | changes)


MISSING = object()


def without_missing(members: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in members.items() if value is not MISSING}


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def as_json(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def mint(header: Json, payload: Json, sign: Sign) -> str:
    """A compact token; ``bytes`` go in as they are, everything else as JSON."""
    parts = [b64(part if isinstance(part, bytes) else as_json(part)) for part in (header, payload)]
    signing_input = ".".join(parts)
    return f"{signing_input}.{b64(sign(signing_input.encode()))}"


def ecdsa(key: ec.EllipticCurvePrivateKey, digest: HashAlgorithm) -> Sign:
    """R and s, each as long as the curve's order (RFC 7518 section 3.4)."""
    size = (key.curve.key_size + 7) // 8

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return sign


def es256(key: ec.EllipticCurvePrivateKey) -> Sign:
    return ecdsa(key, SHA256())


def eddsa(key: ed25519.Ed25519PrivateKey) -> Sign:
    return key.sign


def rs256(key: rsa.RSAPrivateKey) -> Sign:
    return lambda message: key.sign(message, padding.PKCS1v15(), SHA256())


def rs512(key: rsa.RSAPrivateKey) -> Sign:
    return lambda message: key.sign(message, padding.PKCS1v15(), SHA512())


def ps256(key: rsa.RSAPrivateKey) -> Sign:
    return lambda message: key.sign(
        message, padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=SHA256.digest_size), SHA256()
    )


def hs(secret: bytes, algorithm: str = "HS256") -> Sign:
    return lambda message: hmac.digest(secret, message, _HASHES[algorithm])


_HASHES = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


def fixed(signature: bytes) -> Sign:
    """The same octets whatever is signed."""
    return lambda _: signature
