"""Certificates that a test signs itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)


class Authority:
    """A CA of the test's own."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.pem = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))

    def certify(self, host: str) -> tuple[str, str]:
        """A certificate for *host*, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem = self._signed(_named(host), key, x509.SubjectAlternativeName([x509.DNSName(host)]))
        return pem, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: Any) -> str:
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=1))
            .add_extension(extension, critical=False)
            .sign(self._key, SHA256())
        )
        return certificate.public_bytes(Encoding.PEM).decode()


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
