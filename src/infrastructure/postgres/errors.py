"""Turns what PostgreSQL and the driver say into errors of the domain, and words for operators."""

import socket
import ssl
from typing import NamedTuple

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.errors import DomainError, IdempotencyKeyInProgress, SerializationConflict, Unavailable

_CONFLICTS = {"40001", "40P01"}
# Connection, resources, operator intervention and system errors; then a lock or a statement that took too long,
# and a server that only reads. What goes wrong while connecting is not judged by its state (pool.py).
_UNAVAILABLE_CLASSES = ("08", "53", "57", "58")
_UNAVAILABLE_STATES = {"55P03", "25006", "25P03"}


def domain_error(error: BaseException) -> DomainError | None:
    """The domain error that *error*, or what caused it, means; None where it means a mistake of ours.

    A violated constraint of ours is such a mistake: the domain decides before it, under the same locks.
    """
    cause: BaseException | None = error
    while cause is not None:
        if meaning := _meaning(cause):
            return meaning
        cause = cause.__cause__
    return None


def _meaning(error: BaseException) -> DomainError | None:
    if isinstance(error, DomainError):
        return error
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return SerializationConflict()  # a migration ran; the driver has dropped its plans by now
    if isinstance(error, asyncpg.PostgresError):
        return _of_state(error, error.sqlstate or "")
    if isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError | PoolTimeout):
        return Unavailable()
    return None


def _of_state(error: asyncpg.PostgresError, state: str) -> DomainError | None:
    if state in _CONFLICTS:
        return SerializationConflict()
    if state == "55P03" and "idempotency_keys" in str(getattr(error, "context", "")):
        # The claim of a key waits on the unique index for the first request with it.
        return IdempotencyKeyInProgress()
    if state in _UNAVAILABLE_STATES or state.startswith(_UNAVAILABLE_CLASSES):
        return Unavailable()
    return None


LOCKED = {"55P03", "40P01"}
"""A lock that was not free in time, and a deadlock: what passes by itself."""
_LOST_STATEMENT = (
    "A prepared statement got lost ({state}): the connection goes through a transaction-mode pooler.",
    "Set LINGUALINK_DATABASE_POOLER=transaction; MIGRATION_DATABASE_URL needs a session (port 5432).",
)
_PASSES = (
    "A lock was never free ({said}). What ran is kept.",
    "Run it again when the database is less busy.",
)
# By SQLSTATE, else by its class: https://www.postgresql.org/docs/17/errcodes-appendix.html
_STATES = {
    "28": (  # a wrong password among them
        "The database refuses the log-in ({state}): {said}",
        "Check user and password of {variable}; behind Supabase's pooler the user is <role>.<project ref>.",
    ),
    "3D000": ("The database refuses ({state}): {said}", "Check the database's name in {variable}."),
    **dict.fromkeys(("26000", "42P05"), _LOST_STATEMENT),
    **dict.fromkeys(LOCKED, _PASSES),
    "25006": (
        "The database is read-only ({said}).",
        "Is its disk full, or is it a replica? Supabase's dashboard says which.",
    ),
    "42501": (
        "The role of {variable} lacks a right ({said}).",
        "Run `lingualink migrate`, or log in as the role that docs/database.md names.",
    ),
    "53": (
        "The database has nothing left ({state}): {said}",
        "Lower LINGUALINK_POOL_SIZE or the number of replicas; `lingualink doctor` counts connections.",
    ),
    # all of Supavisor's refusals
    "XX000": (
        "The pooler or the database refuses ({state}): {said}",
        "Is the project paused, and do user, password and host of {variable} belong to it? Supabase's dashboard says.",
    ),
}
_OTHERWISE = (
    "PostgreSQL refused ({state}): {said}",
    "`lingualink doctor` looks for what is not as it should be.",
)


class Diagnosis(NamedTuple):
    """One line each: the cause, and the remedy. Neither holds an address or a secret of ours."""

    cause: str
    remedy: str


class NotDone(Exception):
    """What an operator asked for was not done: *cause* and *remedy* are a line each, as in a :class:`Diagnosis`."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.diagnosis = Diagnosis(cause, remedy)


def diagnose(error: BaseException, variable: str = "DATABASE_URL") -> Diagnosis | None:
    """What *error*, or what caused it, means; None where it is not the database's. *variable* holds the address."""
    cause: BaseException | None = error
    while cause is not None:
        if found := _of_database(cause, variable) or _of_network(cause, variable):
            return found
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def postgres_error(error: BaseException) -> asyncpg.PostgresError | None:
    """What PostgreSQL said at the bottom of *error*, if it said anything."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, asyncpg.PostgresError):
        cause = cause.__cause__
    return cause


def _of_database(error: BaseException, variable: str) -> Diagnosis | None:
    if not isinstance(error, asyncpg.PostgresError):
        return None
    state, said = error.sqlstate or "XX000", " ".join(str(error).split())
    cause, remedy = _STATES.get(state) or _STATES.get(state[:2]) or _OTHERWISE
    return Diagnosis(
        cause.format(state=state, said=said, variable=variable), remedy.format(variable=variable)
    )


def _of_network(error: BaseException, variable: str) -> Diagnosis | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Diagnosis(
            f"The database's certificate is not trusted: {error.verify_message}.",
            f"Set {variable.removesuffix('_URL')}_CA to the PEM (or the path) of the CA that signed it; "
            "docs/database.md says where to find it.",
        )
    if isinstance(error, ssl.SSLError):
        return Diagnosis(
            f"TLS to the database failed: {error.reason or type(error).__name__}.",
            f"Check host and port of {variable}, and that the server offers TLS 1.2 or newer.",
        )
    if isinstance(error, ConnectionError) and "SSL upgrade" in str(error):
        return Diagnosis(
            "The database offers no TLS.",
            f"Check host and port of {variable}: off this machine nothing goes unencrypted.",
        )
    if isinstance(error, socket.gaierror):
        return Diagnosis("The name of the database's host is not known.", f"Check the host of {variable}.")
    if isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError):
        why = (
            type(error).__name__
            if isinstance(error, TimeoutError) or not str(error)
            else _network_words(error)
        )
        return Diagnosis(
            f"The database does not answer: {why}.",
            f"Check host and port of {variable}, and whether a firewall or a network restriction is between.",
        )
    return None


def _network_words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
