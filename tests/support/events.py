"""Events to be owed, without the money that would owe them."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

from application.encoding import to_json
from domain.events import BalanceUpdated
from domain.money import Money
from domain.wallet import TransactionKind
from support.database import Database

OWE = """
insert into private.realtime_outbox (event_id, topic, event, payload)
select event_id, topic, event, payload::jsonb
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) with ordinality
  as e (event_id, topic, event, payload, place)
order by place
"""


def balance_updated(user_id: UUID, version: int, *, currency: str = "USD") -> BalanceUpdated:
    """The event of a wallet that gains 1.00 with each version."""
    return BalanceUpdated(
        event_id=uuid4(),
        user_id=user_id,
        transaction_id=uuid4(),
        kind=TransactionKind.TRANSFER_IN,
        amount=Money(Decimal("1.00")),
        balance=Money(Decimal(version)),
        currency=currency,
        version=version,
        epoch=1,
        occurred_at=datetime.now(UTC),
    )


def for_each(users: list[UUID], versions: range, *, currency: str = "USD") -> list[BalanceUpdated]:
    """Every version of every user, the users taking turns."""
    return [balance_updated(user, version, currency=currency) for version in versions for user in users]


async def owe(database: Database, events: list[BalanceUpdated]) -> None:
    """Write *events* into the outbox, in order, as a commit would."""
    await database.fetch(
        OWE,
        [event.event_id for event in events],
        [event.topic for event in events],
        [event.NAME for event in events],
        [to_json(event) for event in events],
    )
