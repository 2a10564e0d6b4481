"""Resolve pyproject.toml into requirements/*.txt: every version with its hashes, and no registry's host.

``uv.lock`` would record hosts, so the exported requirement files are the lock (docs/adr/).
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMPILE = [
    *("uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--upgrade"),
    *("--no-emit-index-url", "--no-header", "--no-annotate"),
]
TARGETS = {
    "run.txt": ["pyproject.toml"],
    "dev.txt": ["pyproject.toml", "--group", "dev"],
    "installer.txt": ["requirements/installer.in"],
    "build.txt": ["requirements/build.in"],
    "pipeline.txt": ["requirements/pipeline.in"],
}

for name, sources in TARGETS.items():
    command = [*COMPILE, *sources, "--output-file", f"requirements/{name}"]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - our own arguments
    if status:
        sys.exit(status)
