"""TLS to the database: verified in full wherever it leaves the machine; what is wrong with a certificate is told."""

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from bootstrap.cli import main
from devstack.postgres import LocalPostgres
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connect, create_engine
from infrastructure.postgres.errors import diagnose
from infrastructure.postgres.tls import SUPABASE_CA
from support.authority import Authority
from support.stack import postgres_cluster

pytestmark = pytest.mark.anyio

HOST, ELSEWHERE = "db.example.org", "other.example.org"


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A cluster that offers TLS with a certificate for ``db.example.org``, and the CA behind it."""

    cluster: LocalPostgres
    ca: str

    def url(self, query: str = "", host: str = HOST) -> str:
        return f"postgresql://postgres:hunter22@{host}:{self.cluster.port}/postgres{query}"


@pytest.fixture(scope="module")
def encrypted() -> Iterator[Encrypted]:
    authority = Authority("A private CA")
    pem, key = authority.certify(HOST)
    with postgres_cluster() as cluster:
        _write(cluster.home / "data" / "server.crt", pem)
        _write(cluster.home / "data" / "server.key", key)
        asyncio.run(_offer_tls(cluster))
        yield Encrypted(cluster, authority.pem)


def _write(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o600)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both hosts are this machine, and do not look like it."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **options: resolve(
            "127.0.0.1" if host in {HOST, ELSEWHERE} else host, *rest, **options
        ),
    )


async def _offer_tls(cluster: LocalPostgres) -> None:
    connection = await asyncpg.connect(cluster.url())
    try:
        await connection.execute("alter system set ssl = on")
        await connection.execute("select pg_reload_conf()")
    finally:
        await connection.close()


async def is_encrypted(address: DatabaseAddress) -> bool:
    connection = await connect(address)
    try:
        return bool(await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()"))
    finally:
        await connection.close()


async def refusal(address: DatabaseAddress) -> str:
    """What is said of an *address* that leads to nobody who can be believed."""
    try:
        await is_encrypted(address)
    except OSError as error:
        known = diagnose(error)
        assert known is not None
        return f"{known.cause}\n{known.remedy}"
    return "connected"


async def test_a_certificate_of_the_ca_that_was_named_is_believed(encrypted: Encrypted) -> None:
    assert await is_encrypted(DatabaseAddress.parse(encrypted.url(), ca=encrypted.ca))


async def test_a_certificate_of_another_ca_is_not(encrypted: Encrypted) -> None:
    for address in (
        DatabaseAddress.parse(encrypted.url()),
        DatabaseAddress.parse(encrypted.url("?sslrootcert=system")),
        DatabaseAddress.parse(encrypted.url(), ca=Authority("Another CA").pem),
        DatabaseAddress.parse(encrypted.url("?sslmode=require"), ca=SUPABASE_CA.read_text()),
    ):
        cause, remedy = (await refusal(address)).splitlines()
        assert cause.startswith("The database's certificate is not trusted: ")
        assert "DATABASE_CA" in remedy


async def test_a_certificate_of_another_host_is_not(encrypted: Encrypted) -> None:
    elsewhere = encrypted.url(host=ELSEWHERE)

    assert "Hostname mismatch" in await refusal(DatabaseAddress.parse(elsewhere, ca=encrypted.ca))
    assert await is_encrypted(DatabaseAddress.parse(f"{elsewhere}?sslmode=verify-ca", ca=encrypted.ca))


async def test_require_encrypts_for_whoever_answers(encrypted: Encrypted) -> None:
    assert await is_encrypted(DatabaseAddress.parse(encrypted.url("?sslmode=require", ELSEWHERE)))


async def test_a_ca_in_the_address_counts_too(encrypted: Encrypted, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(encrypted.ca)

    assert await is_encrypted(DatabaseAddress.parse(encrypted.url(f"?sslrootcert={file}")))


async def test_lists_go_the_same_way(encrypted: Encrypted) -> None:
    engine = create_engine(DatabaseAddress.parse(encrypted.url(), ca=encrypted.ca))
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
        assert found.scalar_one()
    await engine.dispose()


def test_a_command_says_what_is_wrong_with_the_certificate_in_two_lines(encrypted: Encrypted) -> None:
    ran = CliRunner().invoke(main, ["migrate"], env={"MIGRATION_DATABASE_URL": encrypted.url()})

    assert ran.exit_code == 1
    cause, remedy = ran.stderr.splitlines()
    assert cause.startswith("Error: The database's certificate is not trusted: ")
    assert "MIGRATION_DATABASE_CA" in remedy
    assert "hunter22" not in ran.stderr


def test_supabases_own_ca_is_in_the_package() -> None:
    [certificate] = x509.load_pem_x509_certificates(SUPABASE_CA.read_bytes())

    assert certificate.fingerprint(SHA256()).hex() == (
        "807025ad50d4ed219d2c9c7d299c004f824eb00cf7f65afef607d07b72e6cafa"
    )
    assert certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=180)
