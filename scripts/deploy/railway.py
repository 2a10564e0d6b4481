"""Railway, through its public GraphQL API: the service's source is an image."""

from collections.abc import Mapping
from typing import Any, Final, Self

import httpx

from deploy.platforms import POLL_S, DeployFailedError, Pause, required

API: Final = "https://backboard.railway.com/graphql/v2"
GOING: Final = {"INITIALIZING", "QUEUED", "WAITING", "BUILDING", "DEPLOYING"}

CURRENT: Final = """
query current($service: String!, $environment: String!) {
  serviceInstance(serviceId: $service, environmentId: $environment) { source { image } }
}
"""
UPDATE: Final = """
mutation update($service: String!, $environment: String!, $input: ServiceInstanceUpdateInput!) {
  serviceInstanceUpdate(serviceId: $service, environmentId: $environment, input: $input)
}
"""
DEPLOY: Final = """
mutation deploy($service: String!, $environment: String!) {
  serviceInstanceDeployV2(serviceId: $service, environmentId: $environment)
}
"""
STATUS: Final = """
query status($id: String!) { deployment(id: $id) { status } }
"""


class Railway:
    """One service in one environment. Railway knows no OIDC: the token is a project token of that environment."""

    def __init__(self, http: httpx.Client, url: str, service: str, environment: str, pause: Pause) -> None:
        self._http = http
        self._url = url
        self._place = {"service": service, "environment": environment}
        self._pause = pause

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], pause: Pause) -> Self:
        """Read RAILWAY_TOKEN, RAILWAY_SERVICE_ID and RAILWAY_ENVIRONMENT_ID."""
        http = httpx.Client(
            headers={"Project-Access-Token": required(environment, "RAILWAY_TOKEN")}, timeout=30
        )
        service = required(environment, "RAILWAY_SERVICE_ID")
        place = required(environment, "RAILWAY_ENVIRONMENT_ID")
        return cls(http, environment.get("RAILWAY_API_URL") or API, service, place, pause)

    def current(self) -> str | None:
        """See the port."""
        source = self._ask(CURRENT, **self._place)["serviceInstance"]["source"]
        return source["image"] if source else None

    def deploy(self, image: str) -> None:
        """See the port. Overlap and drain are set each time: Railway's own defaults are too short for either."""
        settings = {
            "source": {"image": image},
            "healthcheckPath": "/health/ready",
            "healthcheckTimeout": 300,
            "overlapSeconds": 20,
            "drainingSeconds": 45,
        }
        self._ask(UPDATE, **self._place, input=settings)
        deployment = self._ask(DEPLOY, **self._place)["serviceInstanceDeployV2"]
        while (status := self._ask(STATUS, id=deployment)["deployment"]["status"]) in GOING:
            self._pause(POLL_S)
        if status != "SUCCESS":
            raise DeployFailedError(f"Railway's deployment {deployment} ended as {status}")

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        try:
            answer = self._http.post(self._url, json={"query": query, "variables": variables})
            body = answer.raise_for_status().json()
        except httpx.HTTPError as error:
            raise DeployFailedError(f"Railway does not answer: {error}") from error
        if errors := body.get("errors"):
            raise DeployFailedError(f"Railway refuses: {errors[0].get('message')}")
        data: dict[str, Any] = body["data"]
        return data
