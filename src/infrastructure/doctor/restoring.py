"""After a restore: what a dump does not hold is made again, and an epoch begins.

A dump of a database holds no roles, and a restore into a Supabase project may leave out what stands on Supabase's own
tables. What is missing or altered is made as the doctor's catalogue has it, and what an adoption made on the app's
tables as it would make it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from domain.audit import AuditAction
from infrastructure.doctor.catalogue import Items, drop_of, read_items, read_wanted, revoke_of, surplus_right

# It can be restored twice from one dump: the next epoch is above every epoch that a client may have seen.
_RAISE_EPOCH: Final = """
with before as (
  select epoch from private.ledger_epoch
), raised as (
  update private.ledger_epoch set epoch = greatest(epoch + 1, extract(epoch from clock_timestamp())::bigint)
  returning epoch
), recorded as (
  insert into private.audit_log (id, operator, action, before, after, request_id, occurred_at)
  select gen_random_uuid(), session_user, $1, jsonb_build_object('epoch', before.epoch),
         jsonb_build_object('epoch', raised.epoch), 'lingualink restored', clock_timestamp()
  from before, raised
)
select epoch from raised
"""
_HAS_ROLE: Final = "select exists (select from pg_catalog.pg_roles where rolname = 'lingualink_api')"
_NEWEST: Final = """
select (select max(created_at) from public.wallet_transactions) as transaction,
       (select max(id) from private.ledger_seals) as seal,
       (select count(*) from public.wallet_withdrawals where status = 'held') as held,
       (select count(*) from private.realtime_outbox where delivered_at is null) as owed
"""


NOTHING: Final = Items({}, {})


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done: the new epoch, whether the role was made, and what was repaired.

    ``newest`` is the time (UTC) of the newest transaction, None in an empty ledger; ``last_seal`` the newest seal's
    number; ``held`` and ``owed`` count withdrawals to settle and events to deliver.
    """

    epoch: int
    made_role: bool
    repaired: list[str]
    newest: datetime | None
    last_seal: int | None
    held: int
    owed: int


async def repair(connection: Any, beside: Items = NOTHING) -> Restored:
    """Make again what is missing, raise the epoch, and look at what there is: one transaction, safe to repeat, audited.

    *beside* is looked after too: what an adoption made on the app's tables.

    Raises:
        asyncpg.PostgresError: the database refused; nothing was done.
    """
    async with connection.transaction():
        made_role = not await connection.fetchval(_HAS_ROLE)
        if made_role:
            await connection.execute("create role lingualink_api login noinherit")
        await connection.execute("grant usage on schema public to lingualink_api")
        found = {**await read_items(connection), **beside.found}
        wanted = {**await read_wanted(connection), **beside.wanted}
        repaired = []
        # Functions before the triggers that call them, tables' own things before the rights on them.
        for name in sorted(wanted, key=_order):
            if found.get(name) == wanted[name] or (name in found and name.endswith(" of lingualink_api")):
                continue
            await connection.execute("; ".join(filter(None, (drop_of(name), wanted[name]))))
            repaired.append(name)
        for name, sql in (await read_items(connection)).items():
            if name not in wanted and surplus_right(name, sql) is not None:
                await connection.execute(revoke_of(sql))
                repaired.append(f"no {name}")
        epoch = await connection.fetchval(_RAISE_EPOCH, AuditAction.LEDGER_RESTORED)
        newest = await connection.fetchrow(_NEWEST)
    return Restored(
        epoch, made_role, repaired, newest["transaction"], newest["seal"], newest["held"], newest["owed"]
    )


def _order(name: str) -> tuple[int, str]:
    kinds = ("function", "row", "constraint", "index", "trigger", "policy", "right")
    kind = name.partition(" ")[0]
    return (kinds.index(kind) if kind in kinds else len(kinds), name)
