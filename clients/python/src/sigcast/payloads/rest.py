"""What the log says of itself over REST, and what webhooks send."""

from __future__ import annotations

from typing import Any, Literal, TypedDict, Union

from .signal import Signal


class SignalList(TypedDict):
    """`GET /api/signals`"""

    items: list[Signal]
    next: str
    epoch: str
    head: int


# `from` is a word of the language
Digest = TypedDict("Digest", {"from": str, "to": str, "count": int, "digest": str, "epoch": str, "head": int})
"""`GET /api/signals/digest`: of a range of the log, both ends inclusive."""


class StreamDelivery(TypedDict):
    connection: int
    node: str
    key_prefix: str
    filter: dict[str, Any] | None
    saved_at: str


class WebhookDelivery(TypedDict):
    webhook_id: str
    state: Literal["acknowledged", "waiting", "failed", "pending", "not_sent", "forgotten"]
    acknowledged_at: str | None
    attempts: int


class DeliveryReport(TypedDict):
    """What became of a signal."""

    id: str
    seq: int
    event_id: str
    published_at: str
    streams: list[StreamDelivery]
    webhooks: list[WebhookDelivery]


class DeliverySummary(TypedDict):
    signals: int
    on_stream: int
    by_webhook: int
    on_neither: list[str]
    undecided: int


class Meta(TypedDict):
    """Of every answer under `/api/v1`."""

    latencyMs: float
    dataFreshness: dict[str, str | None]
    requestId: str


class Deliveries(TypedDict):
    """`GET /api/v1/deliveries`"""

    items: list[DeliveryReport]
    summary: DeliverySummary
    next: str
    epoch: str
    head: int
    meta: Meta


class _ErrorDetail(TypedDict):
    code: str
    message: str
    status: int


class ErrorDetail(_ErrorDetail, total=False):
    """What went wrong. `code` does not change."""

    details: dict[str, Any]


class ErrorBody(TypedDict):
    """The body of every refusal."""

    error: ErrorDetail


class WebhookTest(TypedDict):
    """The body of a webhook's test. The body of any other webhook is a signal."""

    type: Literal["webhook.test"]
    id: str
    webhook_id: str
    sent_at: str
    message: str


WebhookBody = Union[Signal, WebhookTest]
