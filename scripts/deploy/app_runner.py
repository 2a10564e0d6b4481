"""AWS App Runner, for accounts that used it before 30 April 2026; new ones take ECS Express Mode."""

from collections.abc import Mapping
from typing import Any, Final, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy.platforms import POLL_S, DeployFailedError, Pause, required

GOING: Final = {"PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS"}


class AppRunner:
    """One service, reached with the credentials of the environment (OIDC in the pipeline)."""

    def __init__(self, apprunner: Any, service_arn: str, pause: Pause) -> None:
        self._apprunner = apprunner
        self._arn = service_arn
        self._pause = pause

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], pause: Pause) -> Self:
        """Read APP_RUNNER_SERVICE_ARN; the region is the service's."""
        arn = required(environment, "APP_RUNNER_SERVICE_ARN")
        return cls(boto3.client("apprunner", region_name=arn.split(":")[3]), arn, pause)

    def current(self) -> str:
        """See the port."""
        return str(self._source()["ImageRepository"]["ImageIdentifier"])

    def deploy(self, image: str) -> None:
        """See the port. Everything of the source but its image stays as it is."""
        try:
            source = self._source()
            source["ImageRepository"] = {**source["ImageRepository"], "ImageIdentifier": image}
            updated = self._apprunner.update_service(ServiceArn=self._arn, SourceConfiguration=source)
            while (status := self._status(updated["OperationId"])) in GOING:
                self._pause(POLL_S)
        except (BotoCoreError, ClientError) as error:
            raise DeployFailedError(f"App Runner refuses: {error}") from error
        if status != "SUCCEEDED":
            raise DeployFailedError(f"App Runner's update ended as {status}")

    def _source(self) -> dict[str, Any]:
        service = self._apprunner.describe_service(ServiceArn=self._arn)["Service"]
        source: dict[str, Any] = service["SourceConfiguration"]
        return source

    def _status(self, operation: str) -> str:
        listed = self._apprunner.list_operations(ServiceArn=self._arn)["OperationSummaryList"]
        return next((str(told["Status"]) for told in listed if told["Id"] == operation), "PENDING")
