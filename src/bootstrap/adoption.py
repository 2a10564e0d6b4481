"""``lingualink adopt``: a look, a dry run, and the adoption itself."""

from collections.abc import Iterable, Sequence

import click
import msgspec

from bootstrap.commands import CommandFailed
from domain.errors import DomainError
from domain.money import Money
from domain.rewards import RewardedAction
from infrastructure.adoption.observations import Observation, Part
from infrastructure.adoption.report import rehearse, survey
from infrastructure.adoption.roles import NotConfirmed, read_names
from infrastructure.adoption.run import AdoptionStopped, NotAdopted, NothingToAdopt
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
    """What :func:`adopt` would do, in the same form.

    Raises:
        CommandFailed: the list of *people* can't be taken.
    """
    try:
        return _print(await rehearse(database, read_names(people)), as_json=as_json)
    except NotConfirmed as why:
        raise _not_confirmed(why) from None


async def adopt(database: DatabaseAddress, people: Iterable[str], rates: Sequence[str]) -> None:
    """Take the database over; say each step as it begins.

    Raises:
        CommandFailed: it was not begun; why, and what to do.
    """
    try:
        if await run_adoption(
            database, read_names(people), _rates(rates), lambda step: click.echo(f"… {step}")
        ):
            click.echo("The database is adopted. Next: `lingualink doctor`, then `lingualink serve`.")
        else:
            click.echo("The database was adopted before; nothing was changed.")
    except NotConfirmed as why:
        raise _not_confirmed(why) from None
    except NothingToAdopt as why:
        raise CommandFailed("There is nothing to take over.", str(why)) from None
    except AdoptionStopped as stopped:
        click.echo(redact("\n".join(map(str, stopped.obstacles))))
        raise CommandFailed(
            "The database was not touched: what is listed above stands in the way.",
            "docs/adoption.md says what to do about each.",
        ) from None


async def retire_legacy(database: DatabaseAddress) -> None:
    """Take away what only old builds needed; say each step as it begins.

    Raises:
        CommandFailed: the database was not taken over.
    """
    try:
        await run_retirement(database, lambda step: click.echo(f"… {step}"))
    except NotAdopted:
        raise CommandFailed(
            "The database was not taken over, or not to the end.", f"{NOTHING_CHANGED} See docs/adoption.md."
        ) from None
    click.echo("Old builds find no more than new ones.")


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
            rates[RewardedAction(action)] = Money.parse_rate(amount)
        except (ValueError, DomainError):
            known = "|".join(RewardedAction)
            raise CommandFailed(
                f"{one} is no rate: {known}=<amount with at most four decimals>.", NOTHING_CHANGED
            ) from None
    return rates


def _not_confirmed(why: NotConfirmed) -> CommandFailed:
    return CommandFailed(
        str(why), f"{NOTHING_CHANGED} A line of the list is <user id or e-mail address> <role>."
    )
