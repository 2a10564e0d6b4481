"""Which of our own functions a piece of work passes: distinct ones, so that the figures don't depend on the machine."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from litestar.types import ASGIApp, Receive, Scope, Send

SOURCE = Path(__file__).parents[2] / "src"
BESIDE = {"infrastructure/postgres/notifications.py", "infrastructure/postgres/maintenance.py"}
"""What runs on the same thread, and is no part of a request."""


@dataclass
class Trace:
    """What was passed, in the order of its first call. Lambdas count; comprehensions and generated code don't."""

    functions: dict[tuple[str, str, int], None] = field(default_factory=dict)
    calls: int = 0
    """Of any Python function, the libraries' too, as often as it was called."""

    @property
    def files(self) -> list[str]:
        """The files of the functions."""
        return list(dict.fromkeys(file for file, _, _ in self.functions))

    def __str__(self) -> str:
        lines = "\n".join(f"  {file}:{line} {name}" for file, name, line in self.functions)
        return (
            f"{len(self.functions)} functions in {len(self.files)} files, {self.calls} calls in all\n{lines}"
        )

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record what this thread does in the block."""
        sys.setprofile(self._called)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _called(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        self.calls += event == "call"
        if event != "call" or not code.co_filename.startswith(str(SOURCE)):
            return
        if code.co_name.startswith("<") and code.co_name != "<lambda>":
            return
        file = str(Path(code.co_filename).relative_to(SOURCE))
        if file not in BESIDE:
            self.functions[file, code.co_qualname, code.co_firstlineno] = None


class Traced:
    """An ASGI application whose requests are recorded, one at a time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.trace = Trace()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve; what a request passes is in ``trace`` afterwards."""
        if scope["type"] != "http":  # type: ignore[comparison-overlap]
            await self._app(scope, receive, send)
            return
        self.trace = trace = Trace()
        with trace.recording():
            await self._app(scope, receive, send)


def shared(traces: Sequence[Trace]) -> Trace:
    """What all of *traces* passed, and the fewest calls: without the end of what an earlier request began."""
    first, *others = traces
    kept = {one: None for one in first.functions if all(one in other.functions for other in others)}
    return Trace(kept, min(trace.calls for trace in traces))
