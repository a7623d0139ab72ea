"""Whom a client trusts in TLS."""

from __future__ import annotations

import os
import ssl
from typing import Union

Authorities = Union[str, "os.PathLike[str]", ssl.SSLContext, None]
"""A file of certificate authorities in place of the system's, or a context of one's own; None: the system's."""


def context(ca: Authorities) -> ssl.SSLContext:
    """A context by which certificates and names are checked."""
    if isinstance(ca, ssl.SSLContext):
        return ca
    made = ssl.create_default_context(cafile=None if ca is None else os.fspath(ca))
    made.set_alpn_protocols(["http/1.1"])
    return made
