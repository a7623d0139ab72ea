"""How long to wait before the next try: longer each time, and spread, so that clients do not come back in step."""

from __future__ import annotations

import random
from collections.abc import Callable

LONGEST_TOLD = 300.0
"""What a refusal says is heeded up to here: a server, or somebody on the way, may say anything, and what it names may pass sooner."""

SHORTEST_TOLD = 0.1
"""A stream's `retry:` below it is none: whoever says 0 and hangs up would be asked without a pause."""


class Backoff:
    """Counts tries that failed. Times are in seconds."""

    def __init__(self, first: float, longest: float, draw: Callable[[], float] = random.random) -> None:
        self._first = first
        self._longest = longest
        self._draw = draw
        self.failures = 0
        """Tries that failed in a row."""

    def reset(self) -> None:
        """It went well: the next wait is a short one."""
        self.failures = 0

    def next(self, retry: float | None, at_least: float = 0.0) -> float:
        """The next wait. `retry`: what the stream's `retry:` says, 0.1 at least; `at_least`: what a refusal's `Retry-After` says, five minutes at most."""
        # beyond 2^16 every first delay is above every bound
        grown: float = (self._first if retry is None else max(retry, SHORTEST_TOLD)) * (1 << min(self.failures, 16))
        self.failures += 1
        return max(min(grown, self._longest), min(at_least, LONGEST_TOLD)) * (1 + self._draw() / 4)
