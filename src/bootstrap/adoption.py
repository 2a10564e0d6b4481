"""``lingualink adopt``: a look, a dry run, and the adoption itself."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import click
import msgspec

from bootstrap.commands import CommandFailed, id_or_address
from domain.errors import DomainError
from domain.identity import Role
from domain.money import Money
from domain.rewards import RewardedAction
from infrastructure.adoption.observations import Observation, Part
from infrastructure.adoption.profiles import Named, NotConfirmed
from infrastructure.adoption.report import rehearse, survey
from infrastructure.adoption.run import AdoptionStopped
from infrastructure.adoption.run import adopt as run_adoption
from infrastructure.adoption.run import retire_legacy as run_retirement
from infrastructure.adoption.steps import Rates
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.redaction import redact

NOTHING_CHANGED = "Nothing was changed."


async def adoption_report(database: DatabaseAddress, *, as_json: bool) -> str:
    """What was seen: a line for each observation, or one JSON object, ``{"observations": […]}``."""
    return _print(await survey(database), as_json=as_json)


async def dry_run(database: DatabaseAddress, people: Iterable[str], *, as_json: bool) -> str:
    """What :func:`adopt` would do, in the same form."""
    return _print(await rehearse(database, _names(people)), as_json=as_json)


async def adopt(database: DatabaseAddress, people: Iterable[str], rates: Sequence[str]) -> None:
    """Take the database over; say each step as it begins, or what stands in the way."""
    try:
        is_new = await run_adoption(database, _names(people), _rates(rates), _say)
    except AdoptionStopped as stopped:
        click.echo(redact("\n".join(map(str, stopped.obstacles))))
        raise
    if is_new:
        click.echo("The database is adopted. Next: `lingualink doctor`, then `lingualink serve`.")
    else:
        click.echo("The database was adopted before; nothing was changed.")


async def retire_legacy(database: DatabaseAddress) -> None:
    """Take away what only old builds needed; say each step as it begins."""
    await run_retirement(database, _say)
    click.echo("Old builds find no more than new ones.")


def _say(step: str) -> None:
    click.echo(f"… {step}")


def _print(seen: Sequence[Observation], *, as_json: bool) -> str:
    if as_json:
        return redact(msgspec.json.encode({"observations": seen}).decode())
    stops = sum(one.part is Part.STOPS for one in seen)
    last = f"{NOTHING_CHANGED} An adoption would stop at {stops} of these." if stops else NOTHING_CHANGED
    return redact("\n".join([*map(str, seen), last]))


def _rates(given: Sequence[str]) -> Rates:
    rates: dict[RewardedAction, Money] = {}
    for one in given:
        action, _, amount = one.partition("=")
        try:
            rates[RewardedAction(action)] = Money.parse(amount, or_zero=True)
        except (ValueError, DomainError):
            known = "|".join(RewardedAction)
            raise CommandFailed(
                f"{one} is no rate: {known}=<amount with at most four decimals>.", NOTHING_CHANGED
            ) from None
    return rates


def _names(lines: Iterable[str]) -> Named:
    """Lines of ``<user id or e-mail address> <role>``; empty ones and what follows a ``#`` say nothing.

    Raises:
        NotConfirmed: a line says something else, or names somebody a second time.
    """
    named: dict[UUID | str, Role] = {}
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or words[1] not in set(Role):
            raise NotConfirmed(f"Line {number} is not <user id or e-mail address> <{'|'.join(Role)}>.")
        who = id_or_address(words[0])
        if who in named:
            raise NotConfirmed(f"Line {number} names {words[0]} a second time.")
        named[who] = Role(words[1])
    return named
