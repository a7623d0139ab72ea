"""Holds JSON against the types of `clients/python`: every field is there, of its type, and no other."""

import json
import re
import sys
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from sigcast.payloads import api, consensus, insider, rest, signal, stream

ROOMS = [api, consensus, insider, rest, signal, stream]


def faults(value, kind, place):
    if kind is Any:
        return
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        found = [list(faults(value, one, place)) for one in inner]
        if all(found):
            yield from min(found, key=len)
    elif origin is Literal:
        if value not in inner:
            yield f"{place}: {value!r} is none of {inner}"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{place}: no list"
            return
        for number, one in enumerate(value):
            yield from faults(one, inner[0], f"{place}[{number}]")
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{place}: no object"
            return
        for name, one in value.items():
            yield from faults(one, inner[1], f"{place}.{name}")
    elif is_typeddict(kind):
        yield from members(value, kind, place)
    elif kind is float:
        if type(value) not in (int, float):
            yield f"{place}: {value!r} is no number"
    elif not (value is None and kind is type(None)) and type(value) is not kind:
        yield f"{place}: {value!r} is no {kind}"


def members(value, kind, place):
    if not isinstance(value, dict):
        yield f"{place}: no object"
        return
    hints = get_type_hints(kind)
    for name in kind.__required_keys__ - value.keys():
        yield f"{place}.{name}: missing"
    for name, one in value.items():
        if name in hints:
            yield from faults(one, hints[name], f"{place}.{name}")
        elif kind is not signal.PublishedSignal:
            yield f"{place}.{name}: unknown"


seen = []
for name, value in json.load(open(sys.argv[1], encoding="utf-8")):
    # `Answer<Webhook>`
    name = re.sub(r"^Answer<(\w+)>$", r"\1Answer", name)
    kind = next((getattr(room, name) for room in ROOMS if hasattr(room, name)), None)
    seen.extend([f"{name}: there is no such type"] if kind is None else faults(value, kind, name))
if seen:
    sys.exit("\n".join(seen[:40]))
