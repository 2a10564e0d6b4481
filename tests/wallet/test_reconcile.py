"""The proof of the ledger: rows that do not follow from each other, and what seals tell."""

from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from application.wallet.reconcile_ledger import ReconcileLedger
from contract.backend import PostgresBackend, postgres_backend
from contract.test_transfers import pay
from contract.test_validation import decide
from domain.identity import Role
from domain.posts import PostStatus
from infrastructure.postgres.ledger import ledger_snapshots
from support.database import Database
from support.ledger import findings, proven, sealed, tamper
from wallet import test_tampering

pytestmark = pytest.mark.anyio

T = "public.wallet_transactions"
DAMAGES = [
    ("unbalanced", "delete from private.ledger_entries where account = 'adjustments'"),
    ("unbalanced", "update private.ledger_entries set amount = amount + 1 where account = 'rewards'"),
    (
        "stray_entry",
        (
            "insert into private.ledger_entries (reference_id, account, amount, created_at) "
            "values (gen_random_uuid(), 'rewards', -5, now()), (gen_random_uuid(), 'adjustments', 5, now())"
        ),
    ),
    ("imbalance", "update public.wallets set balance = balance + 1 where version = 0"),
    ("unbooked", "delete from private.audit_log where action = 'withdrawal.settled'"),
    ("unopened", f"update {T} set kind = 'opening' where kind = 'bonus'"),
    ("time_runs_back", f"update {T} set created_at = created_at - interval '1 day' where kind = 'bonus'"),
    ("version_gap", f"delete from {T} where version = 2"),
    ("broken_chain", f"update {T} set amount = amount - 0.01 where kind = 'penalty'"),
    ("broken_chain", f"update {T} set balance_after = balance_after + 0.01 where kind = 'penalty'"),
    ("unpaired_transfer", f"delete from {T} where kind = 'transfer_in'"),
    ("unbalanced_transfer", f"update {T} set amount = amount + 0.01 where kind = 'transfer_in'"),
    ("crossed_transfer", f"update {T} set counterparty_id = gen_random_uuid() where kind = 'transfer_in'"),
    ("wrong_settlement", f"delete from {T} where kind = 'reversal'"),
    (
        "wrong_settlement",
        (
            "update public.wallet_withdrawals set status = 'failed', settled_by = user_id, settled_at = now() "
            "where status = 'held'"
        ),
    ),
    ("wrong_reversal", f"update {T} set amount = amount + 1 where kind = 'reversal'"),
    ("unfounded_reversal", f"update {T} set reference_id = gen_random_uuid() where kind = 'reversal'"),
]


@pytest.mark.parametrize(("fault", "damage"), DAMAGES)
async def test_damage_is_found(busy: Database, fault: str, damage: str) -> None:
    [changed] = await tamper(busy, damage)

    assert not changed.endswith(" 0")
    assert fault in {finding.fault for finding in await findings(busy)}


def test_the_faults_that_are_tried_are_those_that_the_documents_explain() -> None:
    page = (Path(__file__).parents[2] / "docs" / "wallet.md").read_text()
    table = page.split("| fault | what does not hold |")[1].split("\n\n")[0]
    explained = {
        word for line in table.splitlines() if "|" in line for word in line.split("|")[1].split("`")[1::2]
    }
    tried = {
        *(fault for fault, _ in [*DAMAGES, *test_tampering.BESIDE]),
        *(case[-1] for cases in (test_tampering.CHANGES, test_tampering.REMOVED) for case in cases.values()),
        *(case[-1] for case in test_tampering.ADDED.values() if isinstance(case, tuple)),
    }

    assert tried | {"rewritten"} == explained


async def test_a_post_that_was_opened_again_may_be_gone(backend: PostgresBackend, database: Database) -> None:
    author, admin = await backend.user(), await backend.user(Role.ADMIN)
    await backend.rate("1.00")
    post = await backend.post(author)
    await decide(backend, admin, post, PostStatus.APPROVED, seen=1)
    await decide(backend, admin, post, PostStatus.PENDING, reason="look again")
    await database.fetch("delete from public.posts")

    assert await proven(database) == []


REWRITE = """
update public.wallet_transactions t set balance_after = balance_after + 1, amount = amount + 1,
  hash = private.transaction_hash(null, row(id, user_id, kind, amount + 1, balance_after + 1, version, counterparty_id,
    reference_id, note, created_at, null)::public.wallet_transactions)
where kind = 'opening' and version = (select max(version) from public.wallet_transactions x where x.user_id = t.user_id)
"""


async def test_a_wallet_rewritten_as_a_whole_does_not_match_its_seal(
    backend: PostgresBackend, database: Database
) -> None:
    owner = await backend.user(balance="10.00")
    await sealed(database)
    rewritten, *_ = await tamper(
        database,
        REWRITE,
        f"update public.wallets w set balance = t.balance_after, hash = t.hash from {T} t where t.user_id = w.user_id",
        "update private.ledger_entries set amount = amount - 1",
        "update private.openings set balance = balance + 1",
    )
    assert rewritten == "UPDATE 1"

    for since_seal in (False, True):
        found = await findings(database, since_seal=since_seal)
        assert [(finding.fault, finding.user_id) for finding in found] == [("rewritten", owner.user_id)]


async def test_what_came_before_the_seal_is_held_against_it_and_not_read_again(busy: Database) -> None:
    await sealed(busy)
    async with postgres_backend(busy) as backend:
        one, other = await backend.user(balance="3.00"), await backend.user()
        await pay(backend, one, other, "1")
    async with ledger_snapshots(busy.service)() as snapshot:
        [seal] = await snapshot.seals()
        counted, read = await snapshot.size(seal), [line.row async for line in snapshot.lines(seal)]
    told: list[int] = []
    proof = ReconcileLedger(ledger_snapshots(busy.service), since_seal=True)
    found = [finding async for finding in proof(told.append, told.append)]

    assert sorted((row.user_id, row.version) for row in read) == sorted(
        [(one.user_id, 1), (one.user_id, 2), (other.user_id, 1)]
    )
    assert all(row.created_at > seal.sealed_until for row in read)
    assert (counted, told, found) == (3, [3, 3], [])


async def test_a_wallet_that_goes_on_after_the_seal_is_tied_to_its_row_before_it(
    backend: PostgresBackend, database: Database
) -> None:
    one, other = await backend.user(balance="5.00"), await backend.user()
    seal = await sealed(database)
    await pay(backend, one, other, "1")
    assert await findings(database, {seal.id: seal.digest}, since_seal=True) == []

    await tamper(database, f"update {T} set hash = sha256('x') where kind = 'opening'")

    found = {finding.fault for finding in await findings(database, {seal.id: seal.digest}, since_seal=True)}
    assert found == {"broken_hash", "rewritten"}


async def test_a_row_slipped_in_under_a_seal_is_named(backend: PostgresBackend, database: Database) -> None:
    await backend.user(balance="1.00")
    seal = await sealed(database)
    late = await backend.user(balance="10.00")
    await tamper(
        database, f"update {T} set created_at = '{seal.sealed_until}' where user_id = '{late.user_id}'"
    )

    found = await findings(database, since_seal=True)

    assert ("rewritten", late.user_id) in {(finding.fault, finding.user_id) for finding in found}


@pytest.mark.parametrize(
    "damage",
    [
        "update private.ledger_seals set digest = sha256('x') where id = 1",
        "update private.ledger_seals set heads = '' where id = 1",
        "update private.ledger_seals set sealed_until = sealed_until - interval '1 second' where id = 1",
        "delete from private.ledger_seals where id = 1",
    ],
)
async def test_a_seal_that_was_touched_is_named(
    backend: PostgresBackend, database: Database, damage: str
) -> None:
    await backend.user(balance="1.00")
    await sealed(database)
    await backend.user(balance="1.00")
    await sealed(database)
    await tamper(database, damage)

    assert "broken_seal" in {finding.fault for finding in await findings(database)}


async def test_seals_that_were_all_made_anew_differ_from_those_kept_elsewhere(
    backend: PostgresBackend, database: Database
) -> None:
    await backend.user(balance="1.00")
    kept = await sealed(database)

    assert await findings(database, {kept.id: kept.digest}) == []
    found = await findings(database, {kept.id: kept.digest[::-1]})

    assert [finding.fault for finding in found] == ["replaced_seal"]


async def test_a_seal_holds_each_wallet_that_moved_since_the_one_before(
    backend: PostgresBackend, database: Database
) -> None:
    one, other = await backend.user(balance="5.00"), await backend.user(balance="5.00")
    first = await sealed(database)
    await pay(backend, one, other, "1")
    await backend.user(balance="0.00")

    second, third = await sealed(database), await sealed(database)

    assert (first.wallets, second.wallets, third.wallets) == (2, 2, 0)
    assert (second.previous, third.previous) == (first.digest, second.digest)
    assert await findings(database) == []
    assert await findings(database, since_seal=True) == []


async def test_a_seal_is_what_the_documents_say_byte_by_byte(
    backend: PostgresBackend, database: Database
) -> None:
    one, other = await backend.user(balance="5.00"), await backend.user(balance="5.00")
    await pay(backend, one, other, "1")
    seal = await sealed(database)

    heads = b""
    for owner in sorted((one, other), key=lambda person: person.user_id.bytes):
        heads += owner.user_id.bytes + (2).to_bytes(8, "big") + (await backend.wallet(owner)).hash
    until = seal.sealed_until.strftime("%Y-%m-%dT%H:%M:%S.%fZ\n").encode()

    assert seal.digest == sha256(bytes(32) + until + heads).hexdigest()


async def test_it_looks_at_one_instant_while_money_moves(
    backend: PostgresBackend, database: Database
) -> None:
    one, other = await backend.user(balance="50.00"), await backend.user()
    async with ledger_snapshots(database.service)() as snapshot:
        before = await snapshot.size()
        await pay(backend, one, other, "1", key=str(uuid4()))

        lines = [line async for line in snapshot.lines()]

    assert len(lines) == before
