"""Whether the app's ``transactions`` take what the ledger writes there: what refuses a row refuses the payment."""

import json
import re
from typing import Final
from uuid import UUID

from domain.wallet import TRANSFERS
from infrastructure.adoption.observations import Look
from infrastructure.adoption.shape import TRANSACTIONS, Shape
from infrastructure.doctor.catalogue import expected

MIRRORED: Final = ("id", "user_id", "amount", "type", "reference_id", "description", "created_at")
"""The columns of the app's ``transactions`` in which builds in the field go on reading."""
_MAY_BE_NULL: Final = ("reference_id", "description")
_LONGEST_NOTE: Final = 500
_LARGEST: Final = "99999999.99"
# $1 the table, $2 the columns that are written: checks on them alone, and what else of theirs may refuse a row. A
# transfer is two rows with one reference, and each of the words comes again and again.
_CHECKS: Final = """
select k.conname::text as name,
       array(select attname::text from pg_attribute where attrelid = k.conrelid and attnum = any (k.conkey)) as columns,
       pg_get_expr(k.conbin, k.conrelid) as condition
from pg_constraint k
where k.conrelid = to_regclass($1) and k.contype = 'c' and not exists (
  select from pg_attribute a
  where a.attrelid = k.conrelid and a.attnum = any (k.conkey) and a.attname <> all ($2::text[])
)
order by 1
"""
_BINDING: Final = """
select k.conname::text as name, k.contype = 'f' as refers, a.attname::text as column
from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
where k.conrelid = to_regclass($1) and k.contype = 'f' and a.attname = 'reference_id'
union all
select i.indexrelid::regclass::text, false, null
from pg_index i
where i.indrelid = to_regclass($1) and i.indisunique and i.indpred is null and not exists (
  select from unnest(i.indkey) key left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = key
  where a.attname is null or a.attname = 'id' or a.attname <> all ($2::text[])
) and not (
  select array_agg(a.attname::text) @> '{reference_id,type}'
  from pg_attribute a where a.attrelid = i.indrelid and a.attnum = any (i.indkey)
)
order by 1
"""
# $1 rows as the ledger writes them, in the table's own types.
_SAMPLES: Final = """
select distinct transactions.type::text as type from (
  select (jsonb_populate_record(null::public.transactions, s)).* from jsonb_array_elements($1::jsonb) s
) transactions where not ({condition})
"""


async def look_at_mirrored(look: Look, shape: Shape) -> None:
    """See what of the app's rules would refuse a row that the ledger writes there."""
    if not shape.has(TRANSACTIONS, *MIRRORED):
        return
    for name, column in shape.columns[TRANSACTIONS].items():
        if column.required and (name in _MAY_BE_NULL or (name not in MIRRORED and not column.has_default)):
            said = "must have a value, and the service has none for each row"
            look.see("mirror_refused", f"{TRANSACTIONS}.{name}", said)
    for name, refers, column in await look.ask(TRANSACTIONS, _BINDING, TRANSACTIONS, MIRRORED):
        if refers:
            said = f"{name} lets it name nothing else, and the service has references to other things"
            look.see("mirror_refused", f"{TRANSACTIONS}.{column}", said)
        else:
            said = f"{name} takes one of each alone, and the service writes several"
            look.see("mirror_refused", TRANSACTIONS, said)
    samples = json.dumps(_samples())
    # Whether its types take them at all: what they refuse is told as PostgreSQL says it.
    await look.ask(TRANSACTIONS, _SAMPLES.format(condition="id is not null"), samples)
    for name, columns, condition in await look.ask(TRANSACTIONS, _CHECKS, TRANSACTIONS, MIRRORED):
        where = f"{TRANSACTIONS}.{columns[0]}" if len(columns) == 1 else TRANSACTIONS
        rows = await look.ask(where, _SAMPLES.format(condition=condition), samples)
        if refused := [row["type"] for row in rows]:
            said = f"{name} refuses what the service writes for builds in the field"
            look.see("mirror_refused", where, said, len(refused), refused)


def _samples() -> list[dict[str, object]]:
    """Rows of each word, of each sign that it comes with, with all that a row may have and with as little."""
    somebody, nothing = str(UUID(int=1)), {"reference_id": None, "description": None}
    fixed = {"id": somebody, "user_id": somebody, "created_at": "2026-01-01T00:00:00Z"}
    whole = {"reference_id": somebody, "description": "x" * _LONGEST_NOTE}
    return [
        {
            **fixed,
            **rest,
            "type": word,
            "amount": f"-{_LARGEST}" if word in {"penalty", "withdrawal"} else _LARGEST,
        }
        for word in _words()
        for rest in (whole, nothing)
    ]


def _words() -> list[str]:
    """What ``private.mirror_transaction`` writes as a type: all words that it names but those that it translates."""
    function = expected().items["function private.mirror_transaction()"]
    return sorted({*re.findall(r"'([a-z_]+)'", function)} - TRANSFERS)
