"""A position in a file: written in place after each signal, and whole whatever ends the process or the machine."""

from __future__ import annotations

import hashlib
import json
import os
import time
import weakref
from typing import NamedTuple

from .errors import StateError
from .state import State

SLOT = 4096
"""Bytes of a slot: a page, which no kernel writes in two parts while it runs."""
QUICK = 2
"""The first slots: written by turns, after each signal."""
SURE = (2, 3)
"""Written by turns and confirmed by the disk: while one is being written, the other is known to be there."""

LONGEST_FILTER = 3_000
"""Of a slot, the rest is for the place and the digest."""
OPEN = os.O_RDWR | getattr(os, "O_BINARY", 0)


class Kept(NamedTuple):
    """What a slot holds: a line of JSON, filled up with blanks."""

    n: int
    """Counts what was saved: the greatest is the latest."""
    state: State


class FileState:
    """Keeps the state in a file of four slots, each with its checksum, and takes the latest that is whole.

    Two are written by turns after each signal, in place: whatever ends the process, the position is exact. The other two are confirmed by the
    disk, by turns, once a second: what ends the machine may take that second. `sync`: how often that is done, in seconds; 0: each time.

    In place, since replacing a file by another makes ext4 wait for its disk: 2 ms for each signal rather than some microseconds.
    """

    blocking = True
    """`AsyncClient` calls it on a thread: it waits for the disk."""

    def __init__(self, path: str | os.PathLike[str], *, sync: float = 1.0) -> None:
        self.path = os.fspath(path)
        self._sync = sync
        self._synced_at = float("-inf")
        self._file: int | None = None
        self._n = 0
        self._sure = SURE[0]

    def load(self) -> State | None:
        """What was saved last; None where there is no file."""
        try:
            return self._begin()
        except OSError as error:
            raise StateError(f"{self.path}: {error}") from error

    def save(self, state: State) -> None:
        """Writes it into the file, which is made where there is none."""
        try:
            self._save(state)
        except OSError as error:
            raise StateError(f"{self.path}: {error}") from error

    def _begin(self) -> State | None:
        """Opens the file, and reads what it holds."""
        if self._file is None:
            try:
                self._opened(os.open(self.path, OPEN))
            except FileNotFoundError:
                return None
        assert self._file is not None
        slots = [_read_slot(self._file, slot) for slot in range(4)]
        whole = [kept for kept in slots if kept is not None]
        # beginning afresh in its place would be a silent hole
        if not whole:
            raise StateError(f"{self.path} holds no position")
        latest = max(whole, key=lambda kept: kept.n)
        self._n = latest.n
        first, second = (slots[slot] for slot in SURE)
        self._sure = SURE[1] if first and (second is None or first.n > second.n) else SURE[0]
        return latest.state

    def _save(self, state: State) -> None:
        if self._file is None:
            self._begin()
        self._n += 1
        kept = Kept(self._n, state)
        file = self._file if self._file is not None else self._create(kept)
        _write_slot(file, self._n % QUICK, kept)
        if time.monotonic() - self._synced_at < self._sync:
            return
        if os.fstat(file).st_nlink == 0:
            # somebody removed it: what is written to it is written to nothing
            file = self._create(kept)
        _write_slot(file, self._sure, kept)
        os.fsync(file)
        self._sure = sum(SURE) - self._sure
        self._synced_at = time.monotonic()

    def _create(self, kept: Kept) -> int:
        """Makes the file whole under another name, so that there never is one that holds nothing."""
        made = f"{self.path}.new"
        file = os.open(made, OPEN | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            for slot in range(4):
                _write_slot(file, slot, kept)
            os.fsync(file)
        except BaseException:
            os.remove(made)
            raise
        finally:
            os.close(file)
        os.replace(made, self.path)
        if os.name != "nt":
            _sync_folder(os.path.dirname(self.path) or ".")
        return self._opened(os.open(self.path, OPEN))

    def _opened(self, file: int) -> int:
        self._file = file
        # it is let go of with the last that holds it
        weakref.finalize(self, os.close, file)
        return file


def _write_slot(file: int, slot: int, kept: Kept) -> None:
    # known before the first signal: the rest of a state grows while it is used
    if len(kept.state.filter) > LONGEST_FILTER:
        raise StateError(f"a filter of more than {LONGEST_FILTER} letters has no room in the file")
    text = json.dumps({"n": kept.n, **kept.state.as_dict()})
    line = f"{_checksum(text)} {text}".encode()
    if len(line) >= SLOT:
        raise StateError("a position longer than its slot")
    os.lseek(file, slot * SLOT, os.SEEK_SET)
    if os.write(file, line.ljust(SLOT - 1) + b"\n") < SLOT:
        raise StateError("no room on the disk")


def _read_slot(file: int, slot: int) -> Kept | None:
    os.lseek(file, slot * SLOT, os.SEEK_SET)
    line = os.read(file, SLOT)
    try:
        checksum, text = line[:16].decode(), line[17:].decode().rstrip()
        if checksum != _checksum(text):
            return None
        value = json.loads(text)
        state = State.from_dict(value)
        return Kept(int(value["n"]), state) if state else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _sync_folder(path: str) -> None:
    """So that the disk knows the file's name as well."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _checksum(text: str) -> str:
    """Tells a line that was cut from a whole one; it keeps nobody from writing another."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
