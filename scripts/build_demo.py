"""Build the demo page into devstack/demo/dist, with a digest of what it was built from (docs/adr/)."""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "devstack/demo"
CLIENT = ROOT / "clients/typescript/src"
DIGEST = DEMO / "dist/sources.sha256"


def fingerprint() -> str:
    """A digest of everything that the page is built from."""
    sources = [DEMO / "index.html", DEMO / "vite.config.ts", ROOT / "package-lock.json"]
    sources += [*sorted((DEMO / "src").iterdir()), *sorted(CLIENT.rglob("*.ts"))]
    whole = hashlib.sha256()
    for source in sources:
        whole.update(source.relative_to(ROOT).as_posix().encode() + b"\0" + source.read_bytes())
    return whole.hexdigest()


def main() -> int:
    """Build the client, then the page; the exit status."""
    for workspace in ("clients/typescript", "devstack/demo"):
        command = ["npm", "run", "--silent", "build", "--workspace", workspace]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - our own arguments
        if status:
            return status
    DIGEST.write_text(fingerprint())
    return 0


if __name__ == "__main__":
    sys.exit(main())
