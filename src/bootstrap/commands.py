"""The one harness of all commands: no traceback, no secret; the cause in one line, the remedy in the next, exit 1."""

import select
import sys
from collections.abc import Coroutine
from io import StringIO
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from uuid import UUID

import click
from typing_extensions import override

if TYPE_CHECKING:
    from infrastructure.postgres.address import DatabaseAddress
    from infrastructure.settings import Environment

T = TypeVar("T")
S = TypeVar("S", bound="Environment")

_VARIABLE = "lingualink.address"


class CommandFailed(click.ClickException):
    """A command could not do what it is for: *cause* and *remedy* are a line each."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.remedy = remedy

    @override
    def show(self, file: Any = None) -> None:
        click.echo(f"Error: {self.message}\n{self.remedy}", file=file, err=True)


class Commands(click.Group):
    """A group whose commands end in a line or two, whatever happens inside them."""

    @override
    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        try:
            result = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.ClickException as failed:
            _tell(failed)
            sys.exit(failed.exit_code)
        except click.Abort:
            click.echo("Stopped.", err=True)
            sys.exit(1)
        sys.exit(result if isinstance(result, int) else 0)  # an int is what a command's context exited with

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except (KeyboardInterrupt, EOFError):
            raise click.Abort from None
        except BaseException as error:
            if isinstance(error, SystemExit | GeneratorExit) or _nobody_reads():
                raise
            raise explain(error, ctx.meta.get(_VARIABLE, "DATABASE_URL")) from None


def load(settings: type[S], *, is_service: bool = False) -> S:
    """The environment as *settings* want it, with logging set up, and secrets masked from here on.

    Raises:
        CommandFailed: variables are missing or malformed; all of them are named.
    """
    from infrastructure.logging import configure_logging
    from infrastructure.settings import SettingsError

    try:
        loaded = settings.load()
    except SettingsError as error:
        raise CommandFailed(str(error), "The file .env.example says what each must look like.") from None
    configure_logging(loaded, of_command=not is_service)
    return loaded


def as_service() -> "DatabaseAddress":
    """The database at ``DATABASE_URL``, as the service reaches it; see :func:`load`."""
    from infrastructure.settings import DatabaseSettings

    return load(DatabaseSettings).database


def as_owner() -> "DatabaseAddress":
    """The database at ``MIGRATION_DATABASE_URL``, as its owner reaches it; see :func:`load`."""
    from infrastructure.settings import MigrationSettings

    click.get_current_context().meta[_VARIABLE] = "MIGRATION_DATABASE_URL"
    return load(MigrationSettings).database


def id_or_address(who: str) -> UUID | str:
    """Whom an operator means: an id in any spelling, or an e-mail address, which Supabase Auth keeps in lower case."""
    try:
        return UUID(who)
    except ValueError:
        return who.lower()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run *work* to its end."""
    import asyncio

    return asyncio.run(work)


def explain(error: BaseException, variable: str) -> click.ClickException:
    """What to tell of *error*; *variable* holds the address of the database that the command works on."""
    from domain.errors import DomainError
    from infrastructure.postgres.errors import NotDone, diagnose
    from infrastructure.postgres.migrations import AnotherRunner, MigrationRefused

    if isinstance(error, NotDone):
        return CommandFailed(*error.diagnosis)
    if isinstance(error, AnotherRunner):
        return CommandFailed(f"{error}.", "Run it again when the other one is done.")
    if isinstance(error, MigrationRefused):
        return CommandFailed("The database was not touched.", str(error))
    if known := diagnose(error, variable):
        return CommandFailed(*known)
    if isinstance(error, DomainError):
        return CommandFailed(str(error), "Nothing was changed.")
    return CommandFailed(
        f"This should not have happened: {type(error).__name__} {_place(error)}.",
        "Nothing more is known; report it with the command and this line.",
    )


def _place(error: BaseException) -> str:
    from traceback import extract_tb

    frames = extract_tb(error.__traceback__)
    return f"in {frames[-1].filename.rpartition('/')[2]}, line {frames[-1].lineno}" if frames else "somewhere"


def _tell(failed: click.ClickException) -> None:
    """As click would, but for secrets: somebody may have typed one."""
    from infrastructure.redaction import redact

    said = StringIO()
    failed.show(said)
    click.echo(redact(said.getvalue()), err=True, nl=False)


def _nobody_reads() -> bool:
    """Whether standard output is a pipe whose other end was closed."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):
        return False
