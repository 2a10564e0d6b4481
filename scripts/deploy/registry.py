"""Who the builder is to a registry: never a stored key, always something that ends by itself."""

import base64
from collections.abc import Mapping
from typing import Any

from deploy.platforms import DeployFailedError, required


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
