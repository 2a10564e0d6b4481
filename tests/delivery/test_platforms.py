"""Each platform's client, against the platform's own description of itself or a server of ours in its place."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import httpx
import msgspec
import pytest
from botocore.stub import Stubber

from deploy.__main__ import platform_from
from deploy.aws import AppRunner, EcsExpress
from deploy.image import credentials
from deploy.platforms import DeployFailedError
from deploy.railway import Railway
from support.ports import free_port
from support.stack import serve_in_thread

OLD = "example.test/lingualink@sha256:" + "a" * 64
NEW = "example.test/lingualink@sha256:" + "b" * 64
SERVICE = "arn:aws:ecs:eu-west-1:123456789012:service/default/lingualink"
RUNNER = "arn:aws:apprunner:eu-west-1:123456789012:service/lingualink/0123456789abcdef0123456789abcdef"
DEPLOYMENT = "arn:aws:ecs:eu-west-1:123456789012:service-deployment/default/lingualink/"


def no_pause(seconds: float) -> None:
    assert seconds > 0


def stubbed(service: str) -> tuple[Any, Stubber]:
    client = boto3.client(service, "eu-west-1", aws_access_key_id="none", aws_secret_access_key="none")
    return client, Stubber(client)


# --- ECS Express Mode


def described(*images: str) -> dict[str, Any]:
    made = [
        {
            "createdAt": datetime(2026, 11, day, tzinfo=UTC),
            "primaryContainer": {"image": image, "containerPort": 8000},
        }
        for day, image in enumerate(images, start=1)
    ]
    return {"service": {"serviceArn": SERVICE, "cluster": "default", "activeConfigurations": made}}


def listed(*numbers: int) -> dict[str, Any]:
    return {
        "serviceDeployments": [
            {
                "serviceDeploymentArn": f"{DEPLOYMENT}{number}",
                "createdAt": datetime(2026, 11, number, tzinfo=UTC),
            }
            for number in numbers
        ]
    }


def with_status(number: int, status: str) -> dict[str, Any]:
    return {"serviceDeployments": [{"serviceDeploymentArn": f"{DEPLOYMENT}{number}", "status": status}]}


def expect_ecs_update(ecs: Stubber) -> None:
    """The service's description, the newest deployment before, and the update; then the new deployment shows."""
    one = {"serviceArn": SERVICE}
    in_cluster = {"service": SERVICE, "cluster": "default"}
    ecs.add_response("describe_express_gateway_service", described(OLD), one)
    ecs.add_response("list_service_deployments", listed(1), in_cluster)
    ecs.add_response("describe_express_gateway_service", described(OLD), one)
    ecs.add_response(
        "update_express_gateway_service",
        {"service": {"serviceArn": SERVICE}},
        {"serviceArn": SERVICE, "primaryContainer": {"image": NEW, "containerPort": 8000}},
    )
    for deployments in (listed(1), listed(1, 2)):
        ecs.add_response("describe_express_gateway_service", described(OLD), one)
        ecs.add_response("list_service_deployments", deployments, in_cluster)


def test_ecs_express_changes_the_image_alone_and_waits_for_its_own_deployment() -> None:
    client, ecs = stubbed("ecs")
    expect_ecs_update(ecs)
    asked = {"serviceDeploymentArns": [f"{DEPLOYMENT}2"]}
    ecs.add_response("describe_service_deployments", with_status(2, "IN_PROGRESS"), asked)
    ecs.add_response("describe_service_deployments", with_status(2, "SUCCESSFUL"), asked)
    ecs.add_response("describe_express_gateway_service", described(OLD, NEW), {"serviceArn": SERVICE})

    with ecs:
        EcsExpress(client, SERVICE, no_pause).deploy(NEW)

    ecs.assert_no_pending_responses()


@pytest.mark.parametrize("status", ["ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED", "STOPPED"])
def test_ecs_express_that_goes_back_by_itself_is_a_failure(status: str) -> None:
    client, ecs = stubbed("ecs")
    expect_ecs_update(ecs)
    asked = {"serviceDeploymentArns": [f"{DEPLOYMENT}2"]}
    ecs.add_response("describe_service_deployments", with_status(2, status), asked)

    with ecs, pytest.raises(DeployFailedError, match=status):
        EcsExpress(client, SERVICE, no_pause).deploy(NEW)


def test_ecs_express_tells_the_newest_image() -> None:
    client, ecs = stubbed("ecs")
    ecs.add_response("describe_express_gateway_service", described(OLD, NEW), {"serviceArn": SERVICE})

    with ecs:
        assert EcsExpress(client, SERVICE, no_pause).current() == NEW


def test_what_aws_refuses_is_told() -> None:
    client, ecs = stubbed("ecs")
    ecs.add_client_error("describe_express_gateway_service", "AccessDeniedException", "no")

    with ecs, pytest.raises(DeployFailedError, match="AccessDenied"):
        EcsExpress(client, SERVICE, no_pause).deploy(NEW)


# --- App Runner


def source(image: str) -> dict[str, Any]:
    return {
        "AutoDeploymentsEnabled": False,
        "AuthenticationConfiguration": {"AccessRoleArn": "arn:aws:iam::123456789012:role/pull"},
        "ImageRepository": {
            "ImageIdentifier": image,
            "ImageRepositoryType": "ECR",
            "ImageConfiguration": {"Port": "8000"},
        },
    }


def service(image: str) -> dict[str, Any]:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    return {
        "ServiceName": "lingualink",
        "ServiceId": "0123456789abcdef0123456789abcdef",
        "ServiceArn": RUNNER,
        "CreatedAt": now,
        "UpdatedAt": now,
        "Status": "RUNNING",
        "SourceConfiguration": source(image),
        "InstanceConfiguration": {},
        "AutoScalingConfigurationSummary": {},
        "NetworkConfiguration": {},
    }


def expect_app_runner_update(runner: Stubber, *statuses: str) -> None:
    runner.add_response("describe_service", {"Service": service(OLD)}, {"ServiceArn": RUNNER})
    runner.add_response(
        "update_service",
        {"Service": service(NEW), "OperationId": "1" * 36},
        {"ServiceArn": RUNNER, "SourceConfiguration": source(NEW)},
    )
    for status in statuses:
        operations = [{"Id": "0" * 36, "Status": "FAILED"}, {"Id": "1" * 36, "Status": status}]
        runner.add_response("list_operations", {"OperationSummaryList": operations}, {"ServiceArn": RUNNER})


def test_app_runner_changes_the_image_alone_and_waits_for_its_own_operation() -> None:
    client, runner = stubbed("apprunner")
    expect_app_runner_update(runner, "IN_PROGRESS", "SUCCEEDED")

    with runner:
        AppRunner(client, RUNNER, no_pause).deploy(NEW)

    runner.assert_no_pending_responses()


@pytest.mark.parametrize("status", ["FAILED", "ROLLBACK_SUCCEEDED", "ROLLBACK_FAILED"])
def test_app_runner_that_goes_back_by_itself_is_a_failure(status: str) -> None:
    client, runner = stubbed("apprunner")
    expect_app_runner_update(runner, status)

    with runner, pytest.raises(DeployFailedError, match=status):
        AppRunner(client, RUNNER, no_pause).deploy(NEW)


def test_the_registrys_password_comes_from_the_environments_credentials() -> None:
    client, ecr = stubbed("ecr")
    told = {
        "authorizationToken": base64.b64encode(b"AWS:secret").decode(),
        "proxyEndpoint": "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    }
    ecr.add_response("get_authorization_token", {"authorizationData": [told]})

    registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"

    with ecr:
        known = credentials({"IMAGE_REPOSITORY": f"{registry}/lingualink"}, client)

    assert known == ("AWS", "secret", registry)


def test_githubs_registry_takes_the_workflows_own_token() -> None:
    environment = {"IMAGE_REPOSITORY": "ghcr.io/a/b", "GITHUB_ACTOR": "someone", "GITHUB_TOKEN": "token"}

    assert credentials(environment) == ("someone", "token", "ghcr.io")


def test_a_registry_that_nothing_is_known_of_is_refused() -> None:
    with pytest.raises(DeployFailedError, match="no way into"):
        credentials({"IMAGE_REPOSITORY": "registry.example.test/lingualink"})


# --- Railway


class FakeRailway:
    """The three operations of Railway's API that a deployment needs, over HTTP."""

    def __init__(self) -> None:
        self.image: str | None = OLD
        self.settings: dict[str, Any] = {}
        self.statuses = ["BUILDING", "DEPLOYING", "SUCCESS"]
        self.tokens: set[str] = set()
        self.error: str | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for word in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{word}.complete"})
            return
        headers = dict(scope["headers"])
        self.tokens.add(headers.get(b"project-access-token", b"").decode())
        asked = msgspec.json.decode((await receive())["body"])
        answer = {"errors": [{"message": self.error}]} if self.error else {"data": self._answer(asked)}
        found = 200 if scope["path"] == "/graphql/v2" else 404
        content = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": found, "headers": content})
        await send({"type": "http.response.body", "body": msgspec.json.encode(answer)})

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        query, variables = asked["query"], asked["variables"]
        if "serviceInstanceUpdate" in query:
            self.settings = variables["input"]
            self.image = self.settings["source"]["image"]
            return {"serviceInstanceUpdate": True}
        if "serviceInstanceDeployV2" in query:
            return {"serviceInstanceDeployV2": "deployment-1"}
        if "deployment(id" in query:
            return {"deployment": {"status": self.statuses.pop(0)}}
        return {"serviceInstance": {"source": {"image": self.image} if self.image else None}}


@pytest.fixture
def fake() -> FakeRailway:
    return FakeRailway()


@pytest.fixture
def railway(fake: FakeRailway) -> Iterator[Railway]:
    with serve_in_thread(fake, free_port()) as url, httpx.Client(timeout=30) as http:
        http.headers["Project-Access-Token"] = "token"
        yield Railway(http, f"{url}/graphql/v2", "service", "production", no_pause)


def test_railway_takes_the_image_with_room_to_drain(fake: FakeRailway, railway: Railway) -> None:
    railway.deploy(NEW)

    assert railway.current() == NEW
    assert fake.settings["healthcheckPath"] == "/health/ready"
    # The default delay and limit of our own drain fit inside.
    assert fake.settings["drainingSeconds"] > 5 + 20
    assert fake.tokens == {"token"}


def test_a_railway_service_without_an_image_has_none(fake: FakeRailway, railway: Railway) -> None:
    fake.image = None

    assert railway.current() is None


@pytest.mark.parametrize("status", ["FAILED", "CRASHED", "REMOVED", "NEEDS_APPROVAL"])
def test_a_railway_deployment_that_does_not_succeed_is_a_failure(
    fake: FakeRailway, railway: Railway, status: str
) -> None:
    fake.statuses = ["DEPLOYING", status]

    with pytest.raises(DeployFailedError, match=status):
        railway.deploy(NEW)


def test_what_railway_refuses_is_told(fake: FakeRailway, railway: Railway) -> None:
    fake.error = "Not Authorized"

    with pytest.raises(DeployFailedError, match="Not Authorized"):
        railway.current()


# --- the choice


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        (
            {
                "DEPLOY_TARGET": "railway",
                "RAILWAY_TOKEN": "t",
                "RAILWAY_SERVICE_ID": "s",
                "RAILWAY_ENVIRONMENT_ID": "e",
            },
            Railway,
        ),
        ({"DEPLOY_TARGET": "ecs-express", "ECS_SERVICE_ARN": SERVICE}, EcsExpress),
        ({"DEPLOY_TARGET": "app-runner", "APP_RUNNER_SERVICE_ARN": RUNNER}, AppRunner),
    ],
)
def test_the_environment_chooses_the_platform(environment: dict[str, str], kind: type) -> None:
    assert isinstance(platform_from(environment), kind)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "DEPLOY_TARGET is missing"),
        ({"DEPLOY_TARGET": "heroku"}, "names no platform"),
        ({"DEPLOY_TARGET": "railway"}, "RAILWAY_TOKEN is missing"),
        ({"DEPLOY_TARGET": "ecs-express"}, "ECS_SERVICE_ARN is missing"),
        ({"DEPLOY_TARGET": "app-runner"}, "APP_RUNNER_SERVICE_ARN is missing"),
    ],
)
def test_what_is_missing_is_named(environment: dict[str, str], said: str) -> None:
    with pytest.raises(DeployFailedError, match=said):
        platform_from(environment)
