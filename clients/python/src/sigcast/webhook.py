"""Who sent a webhook: Standard Webhooks' signatures, and those of the service whose headers `compat: sigmate` adds."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Union

from .errors import SignatureError

TOLERANCE = 300
"""Seconds."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_HEX = re.compile(r"sha256=([0-9a-fA-F]{64})")


class _Items(Protocol):
    def items(self) -> Iterable[tuple[str, Any]]: ...


Headers = Union[Mapping[str, str], _Items, Iterable[tuple[str, str]]]
"""Whatever holds names and values: a mapping, the headers of `http.server`, pairs. Names in any case."""


class Verified(NamedTuple):
    """What is signed beside the body."""

    id: str
    """The signal's id."""
    timestamp: int
    """When the attempt was made, in seconds since 1970."""


def _header(headers: Headers, name: str) -> str:
    pairs: Any = headers.items() if hasattr(headers, "items") else headers
    return ",".join(str(value) for key, value in pairs if key.lower() == name)


def _listed(secrets: str | Sequence[str]) -> Sequence[str]:
    listed = [secrets] if isinstance(secrets, str) else list(secrets)
    if not listed:
        raise ValueError("no secret")
    return listed


def _key_of(secret: str) -> bytes:
    text = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("a secret that is no `whsec_` and base64") from None
    return key


def _is_one_of(given: Sequence[bytes], expected: Sequence[bytes]) -> bool:
    # all of them are compared, whatever the first says
    fits = [hmac.compare_digest(one, other) for one in expected for other in given]
    return any(fits)


def verify_webhook(
    secrets: str | Sequence[str],
    headers: Headers,
    body: bytes,
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> Verified:
    """Verifies a webhook by the `webhook-…` headers.

    `body`: the very bytes that came, before anything read them as JSON. `secrets`: one, or while it is being rotated both. Raises
    `SignatureError` where it was not sent by who has the secret, or not now.
    """
    keys = [_key_of(secret) for secret in _listed(secrets)]
    id, timestamp = _header(headers, "webhook-id"), _header(headers, "webhook-timestamp")
    if not id or not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError("no webhook-id and webhook-timestamp")
    age = (time.time() if now is None else now) - int(timestamp)
    if not abs(age) <= tolerance:
        raise SignatureError("too old" if age > 0 else "from the future")
    signed = f"{id}.{timestamp}.".encode() + body
    expected = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys]
    all_given = _header(headers, "webhook-signature").split(" ")
    given = [one[3:].encode() for one in all_given if one.startswith("v1,")]
    if not _is_one_of(given, expected):
        raise SignatureError("no signature fits")
    return Verified(id, int(timestamp))


def verify_sigmate(secrets: str | Sequence[str], headers: Headers, body: bytes) -> None:
    """Verifies a webhook by the `x-sigmate-…` headers.

    They sign the body alone, no time: what was kept can be sent again by whoever has it. Use `verify_webhook` where both kinds come.
    """
    expected = [hmac.digest(secret.encode(), body, hashlib.sha256) for secret in _listed(secrets)]
    names = ("x-sigmate-signature", "x-sigmate-signature-previous")
    found = [_HEX.fullmatch(_header(headers, name)) for name in names]
    if not _is_one_of([bytes.fromhex(one[1]) for one in found if one], expected):
        raise SignatureError("no signature fits")
