"""One release: deploy, look, watch; and back to what served before when any of them is not well."""

import time
from collections.abc import Callable

import httpx

from deploy.image import require_digest
from deploy.platforms import DeployFailedError, Pause, Platform
from deploy.smoke import UnwellError, Visitor, smoke

Say = Callable[[str], None]

WATCH_EVERY_S = 5.0
MAY_FAIL = 2


def watch(url: str, seconds: float, pause: Pause = time.sleep) -> int:
    """Ask whether the service at *url* is ready, for *seconds*; how often it was asked.

    Raises:
        UnwellError: it was not, more than twice in a row.
    """
    asked = failed = 0
    with httpx.Client(base_url=url, timeout=5) as http:
        while asked * WATCH_EVERY_S < seconds:
            try:
                well = http.get("/health/ready").status_code == 200
            except httpx.HTTPError:
                well = False
            failed = 0 if well else failed + 1
            if failed > MAY_FAIL:
                raise UnwellError(f"not ready {failed} times in a row")
            asked += 1
            pause(WATCH_EVERY_S)
    return asked


class Release:
    """Brings an image into service at *url*, and takes it back when it is not well there."""

    def __init__(
        self,
        platform: Platform,
        url: str,
        visitors: tuple[Visitor, Visitor] | None,
        say: Say,
        pause: Pause = time.sleep,
    ) -> None:
        self._platform = platform
        self._url = url
        self._visitors = visitors
        self._say = say
        self._pause = pause

    def __call__(self, image: str, watch_seconds: float) -> bool:
        """Whether *image* serves now. Where not, what served before does again; the schema stays as it is.

        Whatever keeps it from being seen well takes it back: an answer that nobody foresaw, too.

        Raises:
            DeployFailedError: *image* has no digest, or nothing served before, or that does not come back either.
        """
        require_digest(image)
        before = self._platform.current()
        self._say(f"in service: {before or 'nothing yet'}")
        try:
            self.bring(image, watch_seconds)
        except Exception as reason:
            known = isinstance(reason, DeployFailedError | UnwellError)
            self._say(f"not well: {reason if known else repr(reason)}")
            if before is None:
                raise DeployFailedError("nothing served before that could serve again") from reason
            self._go_back(before)
            return False
        return True

    def bring(self, image: str, watch_seconds: float) -> None:
        """Deploy *image*, look and watch, and leave it there however it is: what a rollback does.

        Raises:
            DeployFailedError: *image* has no digest, or the platform does not bring it into service.
            UnwellError: it serves, and is not well.
        """
        require_digest(image)
        self._say(f"deploying {image}")
        self._platform.deploy(image)
        for line in smoke(self._url, self._visitors):
            self._say(line)
        asked = watch(self._url, watch_seconds, self._pause)
        self._say(f"ready {asked} times out of {asked}")

    def _go_back(self, before: str) -> None:
        self._say(f"going back to {before}")
        self._platform.deploy(before)
        smoke(self._url, None)
        self._say("back in service; the schema stays, an older version runs on it")
