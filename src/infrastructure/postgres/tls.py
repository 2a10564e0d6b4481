"""TLS to the database: whom to believe, and what is said when nobody is to be believed.

``supabase-root-2021.pem`` is the root that Supabase signs its databases' and poolers' certificates with, as its
dashboard hands it out (SHA-256 80:70:25:AD:50:D4:ED:21:9D:2C:9C:7D:29:9C:00:4F:82:4E:B0:0C:F7:F6:5A:FE:F6:07:D0:7B:
72:E6:CA:FA, valid until 26 April 2031).
"""

import ssl
from pathlib import Path
from typing import Final

from infrastructure.postgres.address import DatabaseAddress

SUPABASE_CA: Final = Path(__file__).with_name("supabase-root-2021.pem")
_LONGEST_PATH: Final = 1024


def read_certificates(text: str) -> str:
    r"""The PEM that *text* is, or that the file at the path *text* holds.

    In an env file ``\n`` may stand for the end of a line.

    Raises:
        ValueError: there is no certificate. A path is named, for it is no secret.
    """
    if text.lstrip().startswith("-----BEGIN"):
        return _checked(text.replace("\\n", "\n"), "holds no PEM certificate that can be read")
    if len(text) > _LONGEST_PATH or not text.isprintable():
        raise ValueError("is neither a PEM certificate nor the path of one")
    try:
        pem = Path(text).read_text("ascii")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no text"
        raise ValueError(f"names a file that can't be read: {text} ({why})") from None
    return _checked(pem, f"names a file without a PEM certificate that can be read: {text}")


def _checked(pem: str, otherwise: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise ValueError(otherwise) from None
    return pem


def tls_context(address: DatabaseAddress) -> ssl.SSLContext | None:
    """How *address* wants to be reached; None where it asks for no TLS at all.

    With ``require`` alone the certificate is not looked at, as in libpq; a CA that was named makes it ``verify-ca``.

    Raises:
        ValueError: a file that the address names can't be read; it is named.
    """
    if address.sslmode == "disable":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = address.sslmode == "verify-full"
    trusted = address.ca or (address.sslrootcert and _root(address.sslrootcert))
    if not trusted and address.sslmode in {"allow", "prefer", "require"}:
        context.verify_mode = ssl.CERT_NONE
    elif trusted == "system":
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.load_verify_locations(cadata=trusted or SUPABASE_CA.read_text("ascii"))
    if address.sslcert is not None:
        try:
            context.load_cert_chain(address.sslcert, address.sslkey, address.sslpassword)
        except (OSError, ssl.SSLError):
            raise ValueError(
                f"sslcert and sslkey name files that hold no certificate and its key: {address.sslcert}"
            ) from None
    return context


def _root(name: str) -> str:
    if name == "system":
        return name
    try:
        return read_certificates(name)
    except ValueError as error:
        raise ValueError(f"sslrootcert {error}") from None
