"""Amazon's private registry: a password that lasts hours, from the credentials of the environment."""

import base64
from typing import Any

import boto3


def credentials(ecr: Any = None) -> tuple[str, str, str]:
    """User, password and registry for ``login``."""
    client = ecr or boto3.client("ecr")
    told = client.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(told["authorizationToken"]).decode().partition(":")
    return user, password, told["proxyEndpoint"].removeprefix("https://")
