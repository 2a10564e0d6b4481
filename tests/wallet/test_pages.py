"""Pages of a ledger: statements are shared, rows are not."""

import asyncio

import pytest

from application.ports import PageRequest, Row
from application.wallet.reading import ReadWallet, TransactionFilter
from contract.backend import PostgresBackend
from contract.test_transfers import pay
from domain.identity import Principal
from domain.wallet import TransactionKind

pytestmark = pytest.mark.anyio


async def test_pages_that_are_asked_for_at_once_are_each_those_that_they_are_alone(
    backend: PostgresBackend,
) -> None:
    """They share a statement, whatever their filters: nobody gets a row of anybody else, or of another page."""
    people = [await backend.user(balance="50.00") for _ in range(3)]
    for number in range(1, 8):
        await pay(backend, people[number % 3], people[(number + 1) % 3], f"{number}.005", key=f"pay {number}")
    newest = await ReadWallet(backend.accounts, backend.wallets).transactions(
        people[0], TransactionFilter(), PageRequest(3)
    )
    half = newest.items[-1]["created_at"]
    asked = [
        (person, wanted, before, limit)
        for person in people
        for wanted in (
            TransactionFilter(),
            TransactionFilter(TransactionKind.TRANSFER_IN),
            TransactionFilter(since=half),
            TransactionFilter(TransactionKind.TRANSFER_OUT, until=half),
        )
        for before, limit in ((None, 100), (None, 2), (4, 100), (1, 100))
    ]

    async def page(person: Principal, wanted: TransactionFilter, before: int | None, limit: int) -> list[Row]:
        found = backend.wallets.transactions(person, wanted, PageRequest(limit, before))
        rows, goes_on = await found
        assert goes_on is None
        return list(rows)

    alone = [await page(*one) for one in asked]
    together = await asyncio.gather(*(page(*one) for one in asked))

    assert together == alone
    for (person, wanted, before, limit), rows in zip(asked, alone, strict=True):
        assert {row["user_id"] for row in rows} <= {str(person.user_id)}
        assert {row["kind"] for row in rows} <= ({wanted.kind} if wanted.kind else set(TransactionKind))
        versions = [row["version"] for row in rows]
        assert versions == sorted(versions, reverse=True)[: limit + 1]
        assert all(version < (before or 100) for version in versions)
    assert [row["version"] for row in alone[0]] == list(range(len(alone[0]), 0, -1))
