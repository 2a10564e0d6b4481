"""Two versions of the service, each in an environment of its own, as a release would install them."""

import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).parents[1]
MARK_OF_DRAIN = "lingualink_drain_delay"

# What every release may do, and what none may: a column more, or a column by another name.
EXPAND = "alter table public.wallets add column if not exists drill_note text"
BREAK = "alter table public.profiles rename column full_name to display_name"

REVISION = '''"""The drill's own step."""

from alembic import op

revision = "drill"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    op.execute("{statement}")
    op.execute("update private.schema_level set level = level + 1")


def downgrade() -> None:
    raise NotImplementedError
'''


class CannotDrillError(RuntimeError):
    """Something that the drill needs is not there."""


@dataclass(frozen=True, slots=True)
class Version:
    """An installed version."""

    name: str
    program: Path


def old_revision() -> str:
    """What is released: the last tag; before the first one a parent commit, if it knows how to drain."""
    described = _say("describe", "--tags", "--abbrev=0")
    parents = _say("rev-parse", "HEAD^@").split()
    for revision in [described, *parents]:
        if revision and _git("grep", "-l", MARK_OF_DRAIN, revision, "--", "src/infrastructure/settings.py"):
            return revision
    return "HEAD"


def install(folder: Path, name: str, revision: str, step: str | None = None) -> Version:
    """Install *revision* from its own files into *folder*; *step* is a statement for one migration more.

    Raises:
        CannotDrillError: it can't be installed.
    """
    tree, environment = folder / "tree", folder / "environment"
    with tarfile.open(fileobj=BytesIO(_git("archive", revision))) as files:
        files.extractall(tree, filter="data")
    if step is not None:
        _add_step(tree / "migrations" / "versions", step)
    python, uv = environment / "bin" / "python", Path(sys.executable).with_name("uv")
    _run(tree, uv, "venv", "--quiet", "--python", sys.executable, environment)
    _run(
        tree,
        *(uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode"),
        *("--python", python, "requirements/run.txt"),
    )
    _run(tree, sys.executable, "-m", "hatchling", "build", "-t", "wheel")
    wheel = next((tree / "dist").glob("*.whl"))
    _run(tree, uv, "pip", "install", "--quiet", "--no-deps", "--compile-bytecode", "--python", python, wheel)
    return Version(f"{name} ({_say('rev-parse', '--short', revision)})", environment / "bin" / "lingualink")


def _add_step(versions: Path, statement: str) -> None:
    texts = [path.read_text() for path in versions.glob("*.py")]
    known = {found for text in texts for found in re.findall(r'^revision = "(\w+)"', text, re.MULTILINE)}
    followed = {
        found for text in texts for found in re.findall(r'^down_revision = "(\w+)"', text, re.MULTILINE)
    }
    [head] = known - followed
    (versions / "drill_step.py").write_text(REVISION.format(head=head, statement=statement))


def _run(folder: Path, *command: object) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotDrillError(f"{' '.join(words)}: {done.stderr.strip()[-800:]}")


def _git(*words: str) -> bytes:
    command = [shutil.which("git") or "git", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).stdout


def _say(*words: str) -> str:
    return _git(*words).decode().strip()
