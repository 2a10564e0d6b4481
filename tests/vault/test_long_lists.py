"""A page of a list costs a page, however long the list: counted by PostgreSQL, on the routes themselves."""

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infrastructure.postgres.wallets import LOOKED_AT
from support.database import Database
from support.stack import SupabaseStack
from wallet.test_faults import Line, line_to, supabase

__all__ = ["supabase"]
pytestmark = pytest.mark.anyio

LENGTH = 4_000
# Of a page's fifty rows each is found and read, and some with what belongs to them.
MOST = 300
TIMES = f"now() - n * interval '1 minute' from generate_series(1, {LENGTH}) n"
FILL = (
    (
        "insert into public.posts (author_id, kind, title, language, created_at) "
        f"select gen_random_uuid(), 'text', 'Hi', (array['sw', 'wo'])[1 + n % 2], {TIMES}"
    ),
    (
        "insert into public.wallet_withdrawals (id, user_id, amount, transaction_id, created_at) "
        f"select gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), {TIMES}"
    ),
    (
        "insert into private.audit_log "
        "(id, actor_id, session_id, action, target_id, before, after, request_id, client_address, occurred_at) "
        "select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'post.validation_changed', gen_random_uuid(), "
        f"'{{}}', '{{}}', 'filled', '127.0.0.1', {TIMES}"
    ),
    f"insert into public.profiles (id, created_at) select gen_random_uuid(), {TIMES}",
    (
        "insert into private.approvals (id, action, target_id, request, requested_by, created_at, expires_at) "
        "select gen_random_uuid(), 'vault.adjust_balance', gen_random_uuid(), '{}', gen_random_uuid(), at, "
        f"at + interval '7 days' from (select now() - interval '8 days' - n * interval '1 minute' as at "
        f"from generate_series(1, {LENGTH}) n) times"
    ),
)
ROWS = (
    "insert into public.wallet_transactions (id, user_id, kind, amount, balance_after, version, hash, created_at) "
    "select gen_random_uuid(), {owner}, 'bonus', 1, n, n + 1, sha256('x'), "
    f"now() - ({LENGTH} - n) * interval '1 minute' "
    f"from generate_series(1, {LENGTH}) n"
)
# Times by minutes ago: two of the wallet's first hours, one in between, and one to come.
AGO = {"early": LENGTH - 100, "later": LENGTH - 120, "middle": LENGTH // 2, "to_come": -60}
SOMEBODY = "md5((n % 400)::text)::uuid"
KEYS = (
    "insert into private.idempotency_keys (user_id, key, fingerprint, status, body, created_at) "
    "select {owner}, gen_random_uuid()::text, sha256('x'), 201, '{{}}', "
    f"now() - interval '2 days' - n * interval '1 minute' from generate_series(1, {LENGTH}) n"
)
LISTS = (
    *("/vault/posts", "/vault/posts?status=pending", "/vault/posts?status=pending&language=sw"),
    *("/vault/posts?language=none", "/vault/posts?kind=text", "/vault/posts?author_id={admin}"),
    *("/vault/posts?kind=voice", "/vault/posts?status=pending&kind=voice", "/vault/approvals?status=waiting"),
    *("/vault/withdrawals", "/vault/withdrawals?status=held"),
    *("/vault/audit-log", "/vault/audit-log?actor_id={admin}", "/vault/audit-log?target_id={admin}"),
    *("/vault/audit-log?action=post.validation_changed", "/vault/users", "/vault/users?query=nobody"),
    *("/wallet/transactions", "/wallet?at=2100-01-01T00:00:00Z"),
    *("/wallet/transactions?kind=bonus", "/wallet/transactions?kind=bonus&until={middle}"),
    *("/wallet?at={early}", "/wallet?at={middle}", "/wallet?at={to_come}"),
    *("/wallet/statement?from={early}&until={later}", "/wallet/transactions?since={early}&until={later}"),
    *("/wallet/transactions?until={early}", "/wallet/transactions?since={to_come}"),
)


@pytest.fixture(scope="module")
async def line(supabase: tuple[Database, SupabaseStack]) -> AsyncIterator[Line]:
    database, stack = supabase
    async with line_to(database, stack) as made:
        # Many who have few, and one who has as many as they all: of rows the payer, of keys the payee.
        owned = (
            *((ROWS, owner) for owner in (SOMEBODY, f"'{made.payer.id}'")),
            *((KEYS, owner) for owner in (*("gen_random_uuid()",) * 9, f"'{made.payee.id}'")),
        )
        rows = [statement.format(owner=owner) for statement, owner in owned]
        untouched = "alter table public.wallet_transactions disable trigger user"
        for statement in (*FILL, untouched, *rows, "vacuum analyze"):
            await database.fetch(statement)
        await _seen(made)
        yield made


@pytest.mark.parametrize("path", LISTS)
async def test_a_page_of_a_long_list_reads_a_page(path: str, line: Line) -> None:
    who = line.payer if path.startswith("/wallet") else line.admin
    now = datetime.now(UTC)
    times = {name: f"{now - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}" for name, minutes in AGO.items()}
    url, headers = path.format(admin=line.admin.id, **times), who.headers()
    before = await _rows_read(line)

    answer = await line.http.get(url, headers=headers)
    await _seen(line)

    assert answer.status_code == 200, answer.text
    assert await _rows_read(line) - before < MOST


@pytest.mark.parametrize(("kind", "found"), [("opening", 1), ("bonus", LENGTH), ("transfer_in", 0)])
async def test_of_a_rare_kind_a_page_looks_at_so_many_rows_and_the_next_one_goes_on(
    kind: str, found: int, line: Line
) -> None:
    rows, pages, cursor = list[Any](), 0, None
    before = await _rows_read(line)
    while pages == 0 or cursor is not None:
        query = {"kind": kind, "limit": "100", **({} if cursor is None else {"cursor": cursor})}
        answer = await line.http.get("/wallet/transactions", params=query, headers=line.payer.headers())
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows, pages, cursor = [*rows, *page["items"]], pages + 1, page["next_cursor"]
        if pages == 1:
            await _seen(line)
            assert await _rows_read(line) - before < LOOKED_AT + MOST
    await _seen(line)

    versions = [row["version"] for row in rows]
    assert {row["kind"] for row in rows} <= {kind}
    assert versions == sorted(set(versions), reverse=True)
    assert (len(rows), pages) == (found, max(math.ceil(LENGTH / LOOKED_AT) + 1, math.ceil(found / 100)))


@pytest.mark.parametrize("key", ["prepares", "pays"])
async def test_a_payment_of_who_has_made_many_looks_at_one_key(key: str, line: Line) -> None:
    before = await _rows_read(line)

    answer = await line.http.post(
        "/wallet/withdrawals", json={"amount": "0.01"}, headers=line.payee.headers(key)
    )
    await _seen(line)

    assert answer.status_code == 201, answer.text
    assert await _rows_read(line) - before < MOST


async def _seen(line: Line) -> None:
    """A server process says what it read with a request after a second without one; there are two of them."""
    await asyncio.sleep(1.05)
    await line.http.get("/vault/reward-rates", headers=line.admin.headers())
    await line.http.get("/wallet/withdrawals", headers=line.admin.headers())
    await asyncio.sleep(0.05)


async def _rows_read(line: Line) -> int:
    [row] = await line.database.fetch(
        "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint as rows from pg_stat_user_tables "
        "where schemaname in ('public', 'private')"
    )
    return int(row["rows"])
