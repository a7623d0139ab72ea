"""What of the log is wanted, as the server takes it; and what a stream with this filter calls a signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RANKS = "DCBAS"


@dataclass(frozen=True)
class Filter:
    """All of it optional; what is left out lets everything pass."""

    types: Sequence[str] | None = None
    min_rank: str | None = None
    """At least this rank: S, A, B, C or D."""
    min_score: float | None = None
    """At least this `rank_score`."""
    token: str | None = None
    """This `token.address`."""
    market: str | None = None

    def query(self) -> dict[str, str]:
        """As parameters, always in the same order: equal filters are equal texts."""
        given = {
            "types": None if self.types is None else ",".join(sorted(self.types)),
            "min_rank": self.min_rank,
            "min_score": None if self.min_score is None else str(self.min_score),
            "token": self.token,
            "market": self.market,
        }
        return {name: value for name, value in given.items() if value is not None}

    def event_name(self, signal: Mapping[str, Any]) -> str:
        """What the stream would have called a signal that came another way."""
        if signal.get("signal_type") == "consensus_exit":
            return "signal_exit"
        best = signal.get("best_before")
        reached = [best, *best.get("others", ())] if isinstance(best, dict) else []
        return "signal_update" if any(self._reaches(one) for one in reached) else "signal"

    def _reaches(self, one: Mapping[str, Any]) -> bool:
        by_rank = self.min_rank is None or RANKS.find(one["rank"]) >= RANKS.find(self.min_rank)
        return by_rank and (self.min_score is None or one["rank_score"] >= self.min_score)
