"""AWS: ECS Express Mode, and App Runner for accounts that used it before 30 April 2026.

Express Mode has a canary that goes back by itself when 4xx and 5xx together exceed one per cent.
"""

from collections.abc import Mapping
from typing import Any, Final, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy.platforms import POLL_S, DeployFailedError, Pause, required

ECS_GOING: Final = {"PENDING", "IN_PROGRESS", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "STOP_REQUESTED"}
APP_RUNNER_GOING: Final = {"PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS"}


class EcsExpress:
    """One Express service, reached with the credentials of the environment (OIDC in the pipeline)."""

    def __init__(self, ecs: Any, service_arn: str, pause: Pause) -> None:
        self._ecs = ecs
        self._arn = service_arn
        self._pause = pause

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], pause: Pause) -> Self:
        """Read ECS_SERVICE_ARN; the region is the service's."""
        arn = required(environment, "ECS_SERVICE_ARN")
        return cls(boto3.client("ecs", region_name=arn.split(":")[3]), arn, pause)

    def current(self) -> str:
        """See the port."""
        return str(self._container()["image"])

    def deploy(self, image: str) -> None:
        """See the port. Everything of the container but its image stays as it is."""
        try:
            before = self._newest()
            container = {**self._container(), "image": image}
            self._ecs.update_express_gateway_service(serviceArn=self._arn, primaryContainer=container)
            self._wait(image, before)
        except (BotoCoreError, ClientError) as error:
            raise DeployFailedError(f"ECS refuses: {error}") from error

    def _wait(self, image: str, before: str | None) -> None:
        while (deployment := self._newest()) in {None, before}:
            self._pause(POLL_S)
        while (told := self._deployment(deployment))["status"] in ECS_GOING:
            self._pause(POLL_S)
        if told["status"] != "SUCCESSFUL":
            raise DeployFailedError(
                f"ECS deployment ended as {told['status']}: {told.get('statusReason', '')}"
            )
        if (now := self.current()) != image:
            raise DeployFailedError(f"ECS serves {now}")

    def _service(self) -> dict[str, Any]:
        told: dict[str, Any] = self._ecs.describe_express_gateway_service(serviceArn=self._arn)["service"]
        return told

    def _container(self) -> dict[str, Any]:
        newest = max(self._service()["activeConfigurations"], key=lambda made: made["createdAt"])
        container: dict[str, Any] = newest["primaryContainer"]
        return container

    def _newest(self) -> str | None:
        cluster = self._service()["cluster"]
        listed = self._ecs.list_service_deployments(service=self._arn, cluster=cluster)["serviceDeployments"]
        if not listed:
            return None
        return str(max(listed, key=lambda made: made["createdAt"])["serviceDeploymentArn"])

    def _deployment(self, arn: str | None) -> dict[str, Any]:
        told = self._ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
        deployment: dict[str, Any] = told[0]
        return deployment


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
            while (status := self._status(updated["OperationId"])) in APP_RUNNER_GOING:
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
