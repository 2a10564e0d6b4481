"""The image: built by whichever builder is there, named by its digest, tried before it goes anywhere."""

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy.platforms import DeployFailedError, required

ROOT: Final = Path(__file__).parents[2]
BUILDERS: Final = ("podman", "buildah", "docker")
_DIGEST: Final = re.compile(r"[a-z0-9][a-z0-9._/:-]*@sha256:[0-9a-f]{64}")


def require_digest(image: str) -> str:
    """*image*, if it is named by digest: a tag may be something else tomorrow.

    Raises:
        DeployFailedError: it is not ``name@sha256:…``.
    """
    if not _DIGEST.fullmatch(image):
        raise DeployFailedError(f"an image is named by its digest (name@sha256:…), not {image!r}")
    return image


def builder() -> str:
    """The first builder that works here; LINGUALINK_IMAGE_BUILDER names another.

    Raises:
        DeployFailedError: there is none.
    """
    if named := os.environ.get("LINGUALINK_IMAGE_BUILDER"):
        return named
    for name in BUILDERS:
        if shutil.which(name) and _run([name, "info"], quiet=True).returncode == 0:
            return name
    raise DeployFailedError("podman, buildah or docker is needed to build the image")


def build_command(
    tool: str, tag: str, facts: Mapping[str, str], extra: Sequence[str], commit_time: int
) -> list[str]:
    """How *tool* builds the image; *facts* become build arguments, *extra* goes to the tool as it is."""
    arguments = [word for name, value in facts.items() for word in ("--build-arg", f"{name}={value}")]
    # Docker's format keeps HEALTHCHECK, which OCI's has no place for.
    own = [] if tool == "docker" else ["--format", "docker", "--timestamp", str(commit_time)]
    return [tool, "build", "--file", "Containerfile", "--tag", tag, *own, *arguments, *extra, "."]


def build(tag: str) -> str:
    """Build the image as *tag*; the builder that did it.

    The environment may name BASE_IMAGE (which LINGUALINK_IMAGE_NEEDS_DIGEST demands by digest), VERSION and
    IMAGE_SOURCE; LINGUALINK_IMAGE_BUILD_OPTIONS goes to the builder as it is.

    Raises:
        DeployFailedError: it was not built.
    """
    tool, commit_time = builder(), int(_git("log", "-1", "--format=%ct") or 0)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    facts = {
        "VERSION": os.environ.get("VERSION") or project["version"],
        "REVISION": _git("rev-parse", "HEAD") or "unknown",
        "CREATED": datetime.fromtimestamp(commit_time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "SOURCE": os.environ.get("IMAGE_SOURCE", ""),
    }
    base = os.environ.get("BASE_IMAGE", "")
    if os.environ.get("LINGUALINK_IMAGE_NEEDS_DIGEST"):
        require_digest(base)
    if base:
        facts["BASE_IMAGE"] = base
    extra = shlex.split(os.environ.get("LINGUALINK_IMAGE_BUILD_OPTIONS", ""))
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(commit_time), "DOCKER_BUILDKIT": "1"}
    command = build_command(tool, tag, facts, extra, commit_time)
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:  # noqa: S603
        raise DeployFailedError("the image was not built")
    return tool


def push(tag: str, repository: str, version: str) -> str:
    """Push *tag* as *repository*:*version*; its name by digest, which every later step goes by.

    Raises:
        DeployFailedError: the registry did not take it.
    """
    tool, name = builder(), f"{repository}:{version}"
    _run([tool, "tag", tag, name])
    pushed = subprocess.run(  # noqa: S603 - our own arguments
        push_command(tool, name), cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = re.search(r"sha256:[0-9a-f]{64}", pushed.stdout if tool != "docker" else _last(pushed.stdout))
    if pushed.returncode or found is None:
        raise DeployFailedError(f"{name} was not pushed: {pushed.stderr.strip()[-500:]}")
    return require_digest(f"{repository}@{found.group()}")


def push_command(tool: str, name: str) -> list[str]:
    """How *tool* pushes *name* and tells its digest on standard output."""
    return [tool, "push", name] if tool == "docker" else [tool, "push", "--digestfile", "/dev/stdout", name]


def _last(said: str) -> str:
    """Docker names every layer; its last line is the image's."""
    return said.strip().rpartition("\n")[2]


def verify_commands(image: str, repository: str) -> list[list[str]]:
    """What proves that the deploy workflow of *repository* built and signed *image*."""
    workflow = f"{repository}/.github/workflows/deploy.yml"
    identity = f"^https://github.com/{re.escape(workflow)}@refs/(heads/main|tags/v[^/]+)$"
    return [
        [
            *("gh", "attestation", "verify", f"oci://{image}"),
            *("--repo", repository, "--signer-workflow", workflow),
        ],
        [
            *("cosign", "verify", "--certificate-oidc-issuer", "https://token.actions.githubusercontent.com"),
            *("--certificate-identity-regexp", identity, image),
        ],
    ]


def layers(tool: str, tag: str) -> list[tuple[str, str]]:
    """The size of each layer, and the command that made it, as *tool* tells; empty where it doesn't."""
    if tool == "buildah":
        return []
    told = _run([tool, "history", "--no-trunc", "--format", "{{json .}}", tag])
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    return [(row.get("Size") or row.get("size"), (row.get("CreatedBy") or "")[:100]) for row in rows]


def _git(*words: str) -> str:
    return _run(["git", *words]).stdout.strip()


def _run(command: list[str], *, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own arguments
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        text=True,
        check=False,
    )


def credentials(environment: Mapping[str, str], ecr: Any = None) -> tuple[str, str, str]:
    """User, password and registry for ``login`` to the registry of IMAGE_REPOSITORY.

    GitHub's takes the workflow's own token; AWS's a password made from the credentials of the environment.

    Raises:
        DeployFailedError: it is a registry that this knows no way into.
    """
    registry = required(environment, "IMAGE_REPOSITORY").partition("/")[0]
    if registry == "ghcr.io":
        return required(environment, "GITHUB_ACTOR"), required(environment, "GITHUB_TOKEN"), registry
    if ".dkr.ecr." in registry and registry.endswith(".amazonaws.com"):
        return _ecr(registry, ecr)
    raise DeployFailedError(f"no way into {registry} is known")


def _ecr(registry: str, ecr: Any) -> tuple[str, str, str]:
    import boto3  # noqa: PLC0415 - only AWS needs it

    client = ecr or boto3.client("ecr", region_name=registry.split(".")[3])
    told = client.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(told["authorizationToken"]).decode().partition(":")
    return user, password, registry
