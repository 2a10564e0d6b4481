"""Whether this process is on its way out."""


class ShutdownState:
    """Set once, when the process is asked to stop; from then on it is not ready, and still finishes what comes."""

    def __init__(self) -> None:
        self._begun = False

    @property
    def begun(self) -> bool:
        """Whether the process was asked to stop."""
        return self._begun

    def begin(self) -> None:
        """Say that the process was asked to stop; saying it again changes nothing."""
        self._begun = True
