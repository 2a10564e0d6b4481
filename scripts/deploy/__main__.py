"""``python -m deploy``: what the workflows call, and an operator may call from a laptop (PYTHONPATH=scripts)."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping

import click

from deploy.image import build, builder, credentials, layers, push, require_digest, verify_commands
from deploy.platforms import DeployFailedError, Pause, Platform, required
from deploy.release import Release, watch
from deploy.smoke import UnwellError, smoke, visitors_from


def platform_from(environment: Mapping[str, str] = os.environ, pause: Pause = time.sleep) -> Platform:
    """The platform that DEPLOY_TARGET names: ``railway``, ``ecs-express`` or ``app-runner``.

    Raises:
        DeployFailedError: it names none, or what that one needs is missing.
    """
    match required(environment, "DEPLOY_TARGET"):
        case "railway":
            from deploy.railway import Railway  # noqa: PLC0415 - each platform brings only its own client

            return Railway.from_environment(environment, pause)
        case "ecs-express":
            from deploy.aws import EcsExpress  # noqa: PLC0415

            return EcsExpress.from_environment(environment, pause)
        case "app-runner":
            from deploy.aws import AppRunner  # noqa: PLC0415

            return AppRunner.from_environment(environment, pause)
        case other:
            raise DeployFailedError(f"DEPLOY_TARGET names no platform: {other}")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Build, deploy, look, go back. docs/operations.md tells the order and the variables."""


@main.command("build")
@click.argument("tag", default="lingualink:dev")
def build_image(tag: str) -> None:
    """Build the image as TAG with podman, buildah or docker."""
    tool = build(tag)
    for size, made_by in layers(tool, tag):
        click.echo(f"{size:>10}  {made_by}")
    click.echo(f"{tag}, built by {tool}")


@main.command("require-digest")
@click.argument("image")
def digest(image: str) -> None:
    """Fail unless IMAGE is named by digest."""
    require_digest(image)


@main.command("current")
def current() -> None:
    """Print the image that is in service on DEPLOY_TARGET."""
    click.echo(platform_from().current())


@main.command("login")
def login() -> None:
    """Let the builder into the registry of IMAGE_REPOSITORY: GitHub's, or a private one of AWS."""
    user, password, registry = credentials(os.environ)
    command = [builder(), "login", "--username", user, "--password-stdin", registry]
    sys.exit(subprocess.run(command, input=password, text=True, check=False).returncode)  # noqa: S603


@main.command("push")
@click.argument("tag", default="lingualink:dev")
def push_image(tag: str) -> None:
    """Push the image TAG to IMAGE_REPOSITORY as VERSION, and print what it is called by digest."""
    click.echo(push(tag, required(os.environ, "IMAGE_REPOSITORY"), required(os.environ, "VERSION")))


@main.command("parts")
@click.argument("image")
def parts(image: str) -> None:
    """Print name= and digest= of IMAGE, for a workflow's outputs."""
    name, _, digest_of_it = require_digest(image).partition("@")
    click.echo(f"name={name}\ndigest={digest_of_it}")


@main.command("verify")
@click.argument("image")
@click.option("--repository", envvar="GITHUB_REPOSITORY", required=True, help="owner/name that built it.")
def verify(image: str, repository: str) -> None:
    """Fail unless this repository's deploy workflow built and signed IMAGE. Needs gh and cosign."""
    for command in verify_commands(require_digest(image), repository):
        if status := subprocess.run(command, check=False).returncode:  # noqa: S603 - our own arguments
            sys.exit(status)


@main.command("migrate")
@click.argument("image")
def migrate(image: str) -> None:
    """Bring the database at MIGRATION_DATABASE_URL to the head of IMAGE, with the image itself."""
    command = [builder(), "run", "--rm", "--read-only", "--env", "MIGRATION_DATABASE_URL"]
    sys.exit(subprocess.run([*command, require_digest(image), "migrate"], check=False).returncode)  # noqa: S603


@main.command("release")
@click.argument("image")
@click.option("--url", envvar="SERVICE_URL", required=True, help="Where the service answers.")
@click.option(
    "--watch", "seconds", default=300.0, show_default=True, help="How long to watch it, in seconds."
)
def release(image: str, url: str, seconds: float) -> None:
    """Bring IMAGE into service on DEPLOY_TARGET; exit 1, and the image before it serves again, if it is not well."""
    bring = Release(platform_from(), url, visitors_from(os.environ), click.echo)
    sys.exit(0 if bring(image, seconds) else 1)


@main.command("rollback")
@click.argument("image")
@click.option("--url", envvar="SERVICE_URL", required=True, help="Where the service answers.")
@click.option(
    "--watch", "seconds", default=300.0, show_default=True, help="How long to watch it, in seconds."
)
def rollback(image: str, url: str, seconds: float) -> None:
    """Bring an earlier IMAGE back, look and watch; exit 1 if it is not well, and it stays: you decide what is next.

    The schema stays as it is: an older version runs on a newer one. Verify the image first.
    """
    Release(platform_from(), url, visitors_from(os.environ), click.echo).bring(image, seconds)


@main.command("smoke")
@click.option("--url", envvar="SERVICE_URL", required=True)
def look(url: str) -> None:
    """Look at the service once."""
    for line in smoke(url, visitors_from(os.environ)):
        click.echo(line)


@main.command("watch")
@click.option("--url", envvar="SERVICE_URL", required=True)
@click.option("--seconds", default=300.0, show_default=True)
def look_on(url: str, seconds: float) -> None:
    """Ask for a while whether the service is ready."""
    click.echo(f"ready {watch(url, seconds)} times")


if __name__ == "__main__":
    try:
        main(prog_name="python -m deploy")
    except (DeployFailedError, UnwellError) as reason:
        click.echo(reason, err=True)
        sys.exit(1)
