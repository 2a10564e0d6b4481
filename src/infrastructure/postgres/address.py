"""How a database address is read, wherever one is given: strictly, by libpq's grammar, and never quoted back.

The grammar: https://www.postgresql.org/docs/17/libpq-connect.html#LIBPQ-CONNSTRING-URIS and, for what a password may
hold, RFC 3986. What asyncpg would read from an address by itself is read here instead, for it reads less strictly.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Self, cast, get_args
from urllib.parse import unquote

from infrastructure.hosts import is_near

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
PoolerChoice = Literal["auto", "none", "transaction"]
TargetSession = Literal["any", "primary", "standby", "read-write", "read-only", "prefer-standby"]

TRANSACTION_POOLER_PORT: Final = 6543
"""Where Supabase's poolers, shared and dedicated, listen in transaction mode."""

ENCODE: Final = "percent-encode what is special in it"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HONOURED: Final = _names(
    """
    host port dbname user password sslmode sslrootcert sslcert sslkey sslpassword sslnegotiation
    target_session_attrs application_name options
    """
)
# libpq's others: what they would change is the driver's or the service's own business.
_OF_LIBPQ: Final = _names(
    """
    hostaddr passfile require_auth channel_binding connect_timeout client_encoding
    fallback_application_name keepalives keepalives_idle keepalives_interval keepalives_count
    tcp_user_timeout replication gssencmode sslcompression sslcertmode sslcrl sslcrldir sslsni
    requirepeer ssl_min_protocol_version ssl_max_protocol_version min_protocol_version
    max_protocol_version krbsrvname gsslib gssdelegation scram_client_key scram_server_key service
    servicefile load_balance_hosts sslkeylogfile oauth_issuer oauth_client_id oauth_client_secret
    oauth_scope
    """
)
# Prisma, Supabase's connect dialog, node-postgres, JDBC, pgx, lib/pq, SQLAlchemy, Rails.
_OF_OTHERS: Final = _names(
    """
    pgbouncer connection_limit pool_timeout schema socket_timeout sslaccept sslidentity
    statement_cache_size supa workaround prepared_statements prepared_statement_cache_size
    prepare_threshold prepareThreshold preparedStatementCacheQueries reWriteBatchedInserts currentSchema
    ssl loginTimeout connectTimeout socketTimeout tcpKeepAlive ApplicationName uselibpqcompat
    query_timeout statement_timeout lock_timeout idle_in_transaction_session_timeout pool pool_size
    pool_mode max_overflow pool_max_conns pool_min_conns pool_max_conn_lifetime pool_max_conn_idle_time
    default_query_exec_mode binary_parameters async_fallback max_idle_connection_lifetime
    max_connection_lifetime single_use_connections
    """
)
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,40}", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?", re.ASCII)
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where a database is, and how it wants to be spoken to. What it holds of secrets is never printed."""

    hosts: tuple[tuple[str, int], ...]
    """Tried in turn; a host that begins with a slash is the folder of a Unix socket."""
    user: str
    database: str
    password: str | None = field(repr=False)
    sslmode: SslMode
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    sslpassword: str | None = field(default=None, repr=False)
    direct_tls: bool = False
    target_session: TargetSession = "any"
    ca: str | None = field(default=None, repr=False)
    """The PEM that the server's certificate must be signed by; else that of ``sslrootcert``, else Supabase's."""
    transaction_pooler: bool = False
    """Whether connections go through a pooler that changes the server connection with every transaction."""
    session: Mapping[str, str] = field(default_factory=dict)
    """``application_name`` and ``options``."""
    ignored: tuple[str, ...] = ()
    """Names of the parameters that have no effect: libpq's, and those of other clients."""

    @property
    def is_local(self) -> bool:
        """Whether what is sent stays on this machine, or among the containers beside it."""
        return all(_is_near(host) for host, _ in self.hosts)

    @property
    def has_transaction_port(self) -> bool:
        """Whether the port says that a transaction-mode pooler listens there."""
        return _has_transaction_port(self.hosts)

    @classmethod
    def parse(
        cls, text: str, *, pooler: PoolerChoice = "auto", ca: str | None = None, name: str | None = None
    ) -> Self:
        """Read *text*, such as ``postgresql://user:password@host:5432/database?sslmode=verify-full``.

        TLS is verified in full unless the address says otherwise or the database is near (:attr:`is_local`). Where
        *pooler* is ``auto`` the port says whether a transaction-mode pooler listens. *name* is the
        ``application_name``, unless the address has one.

        Raises:
            ValueError: it is not of that form. The message says what is wrong, and quotes at most a parameter's name.
        """
        rest = _without_scheme(text)
        authority, path, query = _split(rest)
        given = {**_of_authority(authority), **_of_path(path)}
        parameters = _of_query(query)
        given |= {name: value for name, value in parameters.items() if name in _HONOURED}
        for part, what in (("host", "host"), ("user", "user"), ("dbname", "database")):
            if not given.get(part):
                raise ValueError(
                    f"names no {what}: it must look like postgresql://user:password@host:port/database"
                )
        hosts = _hosts(given["host"], given.get("port", ""))
        return cls(
            hosts=hosts,
            user=given["user"],
            database=given["dbname"],
            password=given.get("password"),
            sslmode=_ssl_mode(given.get("sslmode"), local=all(_is_near(host) for host, _ in hosts)),
            sslrootcert=given.get("sslrootcert"),
            sslcert=given.get("sslcert"),
            sslkey=given.get("sslkey"),
            sslpassword=given.get("sslpassword"),
            direct_tls=_one_of("sslnegotiation", given.get("sslnegotiation"), ("postgres", "direct"))
            == "direct",
            target_session=cast(
                "TargetSession",
                _one_of("target_session_attrs", given.get("target_session_attrs"), get_args(TargetSession)),
            ),
            ca=ca,
            transaction_pooler=pooler == "transaction" or (pooler == "auto" and _has_transaction_port(hosts)),
            session=_session(given, name),
            ignored=tuple(name for name in parameters if name not in _HONOURED),
        )


def _has_transaction_port(hosts: tuple[tuple[str, int], ...]) -> bool:
    return any(port == TRANSACTION_POOLER_PORT for _, port in hosts)


def _session(given: Mapping[str, str], name: str | None) -> dict[str, str]:
    named = {} if name is None else {"application_name": name}
    return named | {key: given[key] for key in ("application_name", "options") if key in given}


def _is_near(host: str) -> bool:
    return host.startswith("/") or is_near(host)


def _without_scheme(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in {"postgres", "postgresql"}:
        raise ValueError("must begin with postgresql:// or postgres://")
    if not text.isascii():
        raise ValueError(f"holds a character that is not ASCII: {ENCODE}")
    if _BROKEN_ESCAPE.search(rest):
        raise ValueError(
            "holds a % that begins no percent-encoded character: percent-encode the password (% is %25)"
        )
    return rest


def _split(rest: str) -> tuple[str, str, str]:
    """The authority, the path and the query. A password with an unencoded delimiter shows in the wrong one."""
    end = min((place for mark in "/?#" if (place := rest.find(mark)) >= 0), default=len(rest))
    authority, tail = rest[:end], rest[end:]
    if "#" in tail or authority.count("@") > 1 or "@" in tail:
        raise ValueError(
            "percent-encode the password: it holds a character with a meaning of its own (# / ? @)"
        )
    path, _, query = tail.partition("?")
    return authority, path, query


def _of_authority(authority: str) -> dict[str, str]:
    credentials, separator, hosts = authority.rpartition("@")
    user, has_password, password = credentials.partition(":")
    if password.startswith("[") and password.endswith("]"):
        raise ValueError("the password stands in brackets: percent-encode the password, without the brackets")
    if set("[]") & set(credentials):
        raise ValueError("percent-encode the password: it holds a bracket ([ is %5B, ] is %5D)")
    given = {"host": _decoded(hosts)} if hosts else {}
    if separator:
        given["user"] = _decoded(user)
    if has_password:
        given["password"] = _decoded(password)
    return given


def _of_path(path: str) -> dict[str, str]:
    name = path.removeprefix("/")
    if "/" in name:
        raise ValueError(
            "holds a second / after the host: percent-encode the password, or the database's name"
        )
    return {"dbname": _decoded(name)} if name else {}


def _of_query(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, separator, value = pair.partition("=")
        if not _NAME.fullmatch(name) or not separator:
            raise ValueError("has a parameter after the ? that is not of the form name=value")
        if name in parameters:
            raise ValueError(f"gives the parameter {name} twice")
        if name not in _HONOURED | _OF_LIBPQ | _OF_OTHERS:
            raise ValueError(f"has a parameter that nobody knows: {name}")
        parameters[name] = _decoded(value)
    return parameters


def _hosts(hosts: str, ports: str) -> tuple[tuple[str, int], ...]:
    """What libpq reads as ``host1:port1,host2:port2``, or from ``host`` and ``port`` behind the question mark."""
    pairs = [_host_and_port(part) for part in hosts.split(",")]
    given = ports.split(",") if ports else []
    if len(given) not in {0, 1, len(pairs)}:
        raise ValueError("names another number of ports than of hosts")
    named = given * len(pairs) if len(given) == 1 else given
    return tuple((host, _port(named[place] if named else port)) for place, (host, port) in enumerate(pairs))


def _host_and_port(text: str) -> tuple[str, str]:
    if text.startswith("/"):
        return text, ""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")) or not re.fullmatch(r"[0-9A-Fa-f:.]+", host):
            raise ValueError(
                "has a bracket that belongs to no IPv6 address: is the password percent-encoded?"
            )
        return host.lower(), port[1:]
    host, _, port = text.partition(":")
    if not _HOST.fullmatch(host):
        raise ValueError("names a host that can't be one: is the password percent-encoded?")
    return host.lower(), port


def _port(text: str) -> int:
    if not text:
        return 5432
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 0 < int(text) < 65536:
        raise ValueError("has a port that is no number from 1 to 65535: is the password percent-encoded?")
    return int(text)


def _ssl_mode(text: str | None, *, local: bool) -> SslMode:
    mode = cast(
        "SslMode", _one_of("sslmode", text, ("prefer" if local else "verify-full", *get_args(SslMode)))
    )
    if not local and mode in {"disable", "allow", "prefer"}:
        raise ValueError(
            f"sslmode={mode} would send money and passwords unencrypted to another machine: leave it out "
            "(verify-full), or say sslmode=require"
        )
    return mode


def _one_of(name: str, text: str | None, allowed: tuple[str, ...]) -> str:
    """The first one where nothing is said."""
    if text is None:
        return allowed[0]
    if text not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(sorted(set(allowed)))}")
    return text


def _decoded(text: str) -> str:
    try:
        value = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("holds percent-encoded bytes that are not UTF-8") from None
    if "\0" in value:
        raise ValueError("holds a NUL, which PostgreSQL can't take")
    return value
