"""A receiver of webhooks: verified, each signal handled once over all channels that share a `Once`, and answered by what came of it."""

from __future__ import annotations

import asyncio
import inspect
import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from .errors import SignatureError
from .event import SignalEvent
from .filter import Filter
from .once import Busy, Once
from .payloads.rest import WebhookTest
from .webhook import TOLERANCE, Headers, verify_sigmate, verify_webhook

LOOK = 0.01
"""Seconds between looks at what another channel makes of a signal that it handles just now."""


class Reply(NamedTuple):
    """What is answered."""

    status: int
    text: str


class WebhookReceiver:
    """For whatever receives HTTP: give it the headers and the body's very bytes, and answer with what it says.

    - `secrets`: `whsec_…`, one, or while it is being rotated both.
    - `handle`: yours. What it raises is answered with 500, and the signal is sent again.
    - `once`: the client's own, where the same signals come by the stream.
    - `form`: which headers count; `sigmate` signs no time.
    - `filter`: the webhook's own, by which updates are told from first signals.
    - `on_test`: told of the server's tests.
    - `on_error`: told of what was refused, and of what `handle` raised. Without one, the latter are warnings.
    """

    def __init__(
        self,
        secrets: str | Sequence[str],
        handle: Callable[[SignalEvent], Any],
        *,
        once: Once | None = None,
        form: str = "standard",
        filter: Filter | None = None,
        tolerance: float = TOLERANCE,
        on_test: Callable[[WebhookTest], object] | None = None,
        on_error: Callable[[Exception], object] | None = None,
    ) -> None:
        if form not in ("standard", "sigmate"):
            raise ValueError("form: standard or sigmate")
        self.once = once or Once()
        self._secrets = [secrets] if isinstance(secrets, str) else list(secrets)
        self._handle = handle
        self._form = form
        self._filter = filter or Filter()
        self._tolerance = tolerance
        self._on_test = on_test
        self._on_error = on_error

    def receive(self, headers: Headers, body: bytes) -> Reply:
        """Takes a webhook; threads may call it at the same time."""
        event = self._read(headers, body)
        if isinstance(event, Reply):
            return event
        claim = self.once.claim(event.signal["id"])
        if claim is None:
            return Reply(204, "")  # another channel was quicker, or it was sent again
        try:
            result = self._handle(event)
            if inspect.iscoroutine(result):
                result.close()
                raise TypeError("a coroutine: call receive_async")
            claim.done()
            return Reply(204, "")
        except Exception as error:
            return self._failed(error)
        finally:
            claim.release()

    async def receive_async(self, headers: Headers, body: bytes) -> Reply:
        """The same for asyncio; `handle` may be a coroutine."""
        event = self._read(headers, body)
        if isinstance(event, Reply):
            return event
        while True:
            try:
                claim = self.once.try_claim(event.signal["id"])
                break
            except Busy:
                await asyncio.sleep(LOOK)
        if claim is None:
            return Reply(204, "")
        try:
            result = self._handle(event)
            if inspect.isawaitable(result):
                await result
            claim.done()
            return Reply(204, "")
        except Exception as error:
            return self._failed(error)
        finally:
            claim.release()

    def _read(self, headers: Headers, body: bytes) -> SignalEvent | Reply:
        try:
            if self._form == "sigmate":
                verify_sigmate(self._secrets, headers, body)
            else:
                verify_webhook(self._secrets, headers, body, tolerance=self._tolerance)
        except SignatureError as error:
            self._told(error)
            return Reply(401, str(error))
        except ValueError as error:
            return self._failed(error)
        try:
            raw = body.decode()
            message = json.loads(raw)
            if message.get("type") == "webhook.test" and "seq" not in message:
                if self._on_test is not None:
                    self._on_test(cast(WebhookTest, message))
                return Reply(204, "")
            name: Any = self._filter.event_name(message)
            if not isinstance(message["id"], str):
                raise TypeError("an id that is no text")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self._told(error)
            return Reply(400, "no signal")
        return SignalEvent(None, name, "webhook", message, raw)

    def _told(self, error: Exception) -> None:
        if self._on_error is not None:
            self._on_error(error)

    def _failed(self, error: Exception) -> Reply:
        if self._on_error is not None:
            self._on_error(error)
        else:
            warnings.warn(f"sigcast: a webhook was not handled: {error!r}", stacklevel=3)
        return Reply(500, "")
