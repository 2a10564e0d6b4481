"""``lingualink``: the commands of operators and pipelines. Each imports what it needs, when it runs."""

import sys
from typing import TextIO
from uuid import UUID

import click

from bootstrap.commands import CommandFailed, Commands, as_owner, as_service, load, run


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from infrastructure.settings import Environment

    click.echo(f"lingualink {Environment.load().lingualink_release}")
    context.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Print the release, and end.",
)
def main() -> None:
    """LinguaLink's backend. Configured by the environment alone; see .env.example."""


def _without_rich() -> None:
    """Have ``import rich`` fail as if it were not installed.

    structlog loads it where it finds it, for a console's colours: 3 MB of each process that prints JSON alone.
    """
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]


@main.command()
def serve() -> None:
    """Run the production server. SIGTERM drains it; see docs/operations.md."""
    _without_rich()
    from bootstrap.server import run as serve_until_stopped
    from infrastructure.settings import Settings

    sys.exit(serve_until_stopped(load(Settings, is_service=True)))


@main.command()
def relay() -> None:
    """Run a stand-alone realtime relay. SIGTERM ends it after the messages in flight."""
    _without_rich()
    from bootstrap.relay import run_relay
    from infrastructure.settings import Settings

    run(run_relay(load(Settings, is_service=True)))


@main.group()
def outbox() -> None:
    """Events that could not be delivered."""


@outbox.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_outbox(*, as_json: bool) -> None:
    """List the events that Realtime refused, and say how many others are pending."""
    from bootstrap.operator_commands import outbox_report

    click.echo(run(outbox_report(as_service(), as_json=as_json)))


@outbox.command("retry")
@click.argument("ids", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="Send all of them again.")
def retry_outbox(ids: tuple[int, ...], *, everything: bool) -> None:
    """Send dead letters again: those with these IDS, or --all."""
    from bootstrap.operator_commands import retry_dead_letters

    if bool(ids) is everything:
        raise click.UsageError("Name the events, or say --all.")
    retried = run(retry_dead_letters(as_service(), None if everything else ids))
    click.echo(f"Pending again: {len(retried)}.")
    if missing := sorted(set(ids) - set(retried)):
        raise CommandFailed(
            f"Not dead-lettered: {', '.join(map(str, missing))}.",
            "`lingualink outbox list` names those that are.",
        )


@outbox.command("drop")
@click.argument("event", metavar="ID", type=int)
@click.option("--reason", required=True, help="Why nobody will ever be told; it goes into the audit log.")
def drop_from_outbox(event: int, reason: str) -> None:
    """Give an event up that Realtime will never take, as an operator with MIGRATION_DATABASE_URL. It is audited."""
    from bootstrap.operator_commands import drop_event

    if not run(drop_event(as_owner(), event, reason)):
        raise CommandFailed(
            f"There is no event {event} that waits or was set aside.",
            "`lingualink outbox list` names those that were set aside.",
        )
    click.echo(f"Dropped: {event}.")


@main.command()
@click.option("--sql", is_flag=True, help="Print the SQL instead of running it; psql can run it.")
@click.option("--since", metavar="REVISION", help="With --sql: only what comes after this revision.")
def migrate(*, sql: bool, since: str | None) -> None:
    """Bring the shared database to head. Safe to start twice at once, and to kill."""
    from infrastructure.postgres.migrations import print_sql, upgrade

    if sql:
        print_sql(since)
        return
    upgrade(as_owner())
    click.echo("The database is at head.")


@main.command()
@click.option("--report", is_flag=True, help="Only look: print what is there, and what stands in the way.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option(
    "--confirm-roles",
    "people",
    type=click.File(),
    help="Take it over. In the file, a line each: who is more than a user (<user id or e-mail> <role>).",
)
@click.option(
    "--confirm-rates", "rates", multiple=True, metavar="ACTION=AMOUNT", help="What is paid from now on."
)
@click.option(
    "--retire-legacy", is_flag=True, help="Later: take away what only old builds of the app needed."
)
@click.option("--json", "as_json", is_flag=True, help="With --report or --dry-run: print one JSON object.")
def adopt(
    *,
    report: bool,
    dry_run: bool,
    retire_legacy: bool,
    people: TextIO | None,
    rates: tuple[str, ...],
    as_json: bool,
) -> None:
    """Take over a database that has the app's tables already. Safe to kill, and to start again."""
    from bootstrap import adoption

    if report:
        click.echo(run(adoption.adoption_report(as_owner(), as_json=as_json)))
    elif dry_run:
        click.echo(run(adoption.dry_run(as_owner(), people or (), as_json=as_json)))
    elif retire_legacy:
        run(adoption.retire_legacy(as_owner()))
    elif people is None:
        raise CommandFailed(
            "Nobody has said who is more than a user.",
            "Begin with `lingualink adopt --report` and `--dry-run`, then `--confirm-roles FILE` (docs/adoption.md).",
        )
    else:
        run(adoption.adopt(as_owner(), people, rates))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--ledger", is_flag=True, help="Prove the whole ledger instead.")
@click.option("--since-seal", is_flag=True, help="With --ledger: prove the rows after the last seal.")
@click.option("--seals", type=click.File(), help="With --ledger: seals that were kept elsewhere, one a line.")
def doctor(*, as_json: bool, ledger: bool, since_seal: bool, seals: TextIO | None) -> None:
    """Check configuration, database, Supabase, and what a client could still do. Changes nothing."""
    if ledger:
        from bootstrap.operator_commands import reconcile

        kept = None if seals is None else [line for line in seals if line.strip()]
        database = as_service()
        sys.exit(run(reconcile(database, as_json=as_json, since_seal=since_seal, kept=kept)))
    if since_seal or seals is not None:
        raise click.UsageError("--since-seal and --seals go with --ledger.")
    from bootstrap.doctor import report

    sys.exit(run(report(as_json=as_json)))


@main.command()
def restored() -> None:
    """After a restore: begin a new epoch, make again what a dump does not hold, say what has to be done again."""
    from bootstrap.doctor import restored as report

    for line in run(report(as_owner())):
        click.echo(line)


@main.command()
def seal() -> None:
    """Seal the ledger: store its fingerprint, and print it as JSON, to be kept elsewhere."""
    from bootstrap.operator_commands import seal as take

    click.echo(run(take(as_service())))


@main.command("erase-user")
@click.argument("user_id", type=click.UUID)
def erase_user(user_id: UUID) -> None:
    """Blank the personal text of a deleted Auth user; amounts, audit rows and the ledger's shape stay."""
    from infrastructure.postgres.erasure import erase

    for what, count in run(erase(as_owner(), user_id)).items():
        click.echo(f"{what}: {count}")


@main.command("grant-role")
@click.argument("who", metavar="USER_ID|E_MAIL")
@click.argument("role", type=click.Choice(["user", "moderator", "admin"]))
def grant_role(who: str, role: str) -> None:
    """Give somebody a role, as an operator with MIGRATION_DATABASE_URL. It is audited."""
    from bootstrap.operator_commands import grant

    click.echo(run(grant(as_owner(), who, role)))


@main.command()
@click.argument("user_id", type=click.UUID)
@click.option("--reason", required=True, help="Kept in the audit log.")
def unfreeze(user_id: UUID, reason: str) -> None:
    """Let the owner of a frozen wallet use it again, as an operator with MIGRATION_DATABASE_URL. It is audited."""
    from bootstrap.operator_commands import unfreeze_wallet

    if not run(unfreeze_wallet(as_owner(), user_id, reason)):
        raise CommandFailed(
            f"The wallet of {user_id} is not frozen.", "`lingualink doctor` names those that are."
        )
    click.echo(f"Unfrozen: {user_id}.")
