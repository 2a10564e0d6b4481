"""Lint the SQL of every migration with squawk (rules and reasons: .squawk.toml), each as ``--sql`` prints it."""

import contextlib
import io
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from infrastructure.postgres.migrations import config_for

ROOT = Path(__file__).parents[1]


def sql_of(revision: str, before: str | None) -> str:
    """What *revision* runs on a database that is at *before*."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        command.upgrade(config_for(None), f"{before or 'base'}:{revision}", sql=True)
    return printed.getvalue()


def main() -> int:
    """Write one file a revision, and lint them together."""
    scripts = ScriptDirectory.from_config(config_for(None))
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for script in reversed(list(scripts.walk_revisions())):
            file = Path(folder) / f"{Path(script.path).stem}.sql"
            before = script.down_revision
            file.write_text(sql_of(script.revision, before if isinstance(before, str) else None))
            files.append(str(file))
        linted = subprocess.run(  # noqa: S603 - our own arguments
            [str(Path(sys.executable).with_name("squawk")), "--config", str(ROOT / ".squawk.toml"), *files],
            check=False,
            capture_output=True,
            text=True,
        )
    if linted.returncode:
        sys.stderr.write(linted.stdout + linted.stderr)
    return linted.returncode


if __name__ == "__main__":
    sys.exit(main())
