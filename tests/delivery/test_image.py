"""What goes into the image, and how it is asked for."""

import pytest

from deploy.image import ROOT, build_command, push_command, require_digest
from deploy.platforms import DeployFailedError


@pytest.mark.parametrize("tool", ["podman", "buildah", "docker"])
def test_every_builder_is_given_the_facts_and_keeps_the_health_check(tool: str) -> None:
    command = build_command(tool, "lingualink:dev", {"VERSION": "1.2.3"}, ["--pull=never"], 1_000)

    assert command[:2] == [tool, "build"]
    assert "--build-arg" in command
    assert "VERSION=1.2.3" in command
    assert "--pull=never" in command
    assert (
        ("docker" in command[command.index("--format") + 1])
        if tool != "docker"
        else "--format" not in command
    )


@pytest.mark.parametrize("tool", ["podman", "buildah"])
def test_a_push_tells_the_digest(tool: str) -> None:
    assert push_command(tool, "a/b:1") == [tool, "push", "--digestfile", "/dev/stdout", "a/b:1"]


@pytest.mark.parametrize(
    "image",
    [
        "python:3.13",
        "python@sha256:abc",
        "python",
        "",
        "python@sha512:" + "a" * 64,
        "Python@sha256:" + "a" * 64,
    ],
)
def test_an_image_without_a_digest_is_refused(image: str) -> None:
    with pytest.raises(DeployFailedError, match="digest"):
        require_digest(image)


def test_an_image_with_a_digest_is_taken() -> None:
    image = "docker.io/library/python:3.13-slim@sha256:" + "a" * 64

    assert require_digest(image) == image


def test_the_build_sees_nothing_but_what_the_image_is_made_of() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    assert lines[1] == "*"
    assert not {"!devstack", "!drill", "!tests"} & set(lines)
    assert (ROOT / ".containerignore").read_text() == (ROOT / ".dockerignore").read_text()
