"""A disk that loses power: what may be found on it afterwards.

It keeps what was synced. Of what was written later it keeps, for each sector of 512 bytes, any state that the sector has
had since; of the file's size likewise; a part of a file that it has grown by may hold anything. A new name, or that a name
is gone, is kept for certain once the folder is synced, and before that or not, each for itself.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from tests.crash.recording import Operation

SECTOR = 512

How = Literal["lost", "kept", "any", "torn", "last", "all but the first", "zeros", "garbage"]
HOW: tuple[How, ...] = ("lost", "kept", "any", "any", "torn", "last", "all but the first", "zeros", "garbage")
"""What becomes of writes that were not synced: none or all are kept, or any sectors; all up to one that is torn; the last
one alone; all but the first; none, and the file has grown nevertheless, by zeros or by what lay there."""

Image = dict[str, bytes]
"""What is found in the folder, by name."""


class File:
    """A file as it was when it was synced, and what was done to it since."""

    def __init__(self, content: bytes = b"") -> None:
        self.synced = content
        self._now = bytearray(content)
        self._sizes: list[int] = []
        """The file's size after each thing done since."""
        self._states: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
        """By sector: its states since, and which of the things done made them."""

    @property
    def now(self) -> bytes:
        return bytes(self._now)

    @property
    def is_synced(self) -> bool:
        return not self._sizes

    def write(self, at: int, data: bytes) -> None:
        if len(self._now) < at + len(data):
            self._now.extend(bytes(at + len(data) - len(self._now)))
        self._now[at : at + len(data)] = data
        self._changed(at, at + len(data))

    def truncate(self, size: int) -> None:
        had = len(self._now)
        self._now[size:] = bytes(max(0, size - had))
        self._changed(min(size, had), max(size, had))

    def sync(self) -> None:
        if self._sizes:
            self.synced = bytes(self._now)
            self._sizes.clear()
            self._states.clear()

    def _changed(self, first: int, end: int) -> None:
        for sector in range(first // SECTOR, -(-end // SECTOR)):
            state = bytes(self._now[sector * SECTOR : (sector + 1) * SECTOR]).ljust(SECTOR, b"\0")
            self._states[sector].append((len(self._sizes), state))
        self._sizes.append(len(self._now))

    def after_power_loss(self, dice: random.Random) -> bytes:
        """Return what may be found."""
        if self.is_synced:
            return self.synced
        how: How = dice.choice(HOW)
        if how == "kept":
            return self.now
        if how == "lost":
            return self.synced
        last = len(self._sizes) - 1
        torn = dice.randint(0, last)
        found = bytearray(self.synced)
        for sector, states in self._states.items():
            kept: Sequence[tuple[int, bytes]] = ()
            if how == "any":
                kept = states[: dice.randint(0, len(states))]
            elif how == "torn":
                kept = [each for each in states if each[0] < torn or (each[0] == torn and dice.random() < 0.5)]
            elif how == "last":
                kept = [each for each in states if each[0] == last]
            elif how == "all but the first":
                kept = [each for each in states if each[0] > 0]
            if kept:
                place = sector * SECTOR
                found.extend(bytes(max(0, place + SECTOR - len(found))))
                found[place : place + SECTOR] = kept[-1][1]
        size = max(len(self.synced), *self._sizes) if how in ("zeros", "garbage") else dice.choice(self._sizes)
        more = max(0, size - len(found))
        found.extend(dice.randbytes(more) if how == "garbage" else bytes(more))
        return bytes(found[:size])


class Disk:
    """The ledger's folder. `heeds_syncs`: else it is one that loses what was synced as well."""

    def __init__(self, files: Iterable[Path], *, heeds_syncs: bool = True) -> None:
        """Take the files that are there for synced."""
        self._heeds_syncs = heeds_syncs
        self._open: dict[int, File | None] = {}
        self._synced = {path.name: File(path.read_bytes()) for path in files}
        self._names = dict(self._synced)
        self._changes: list[list[tuple[str, File | None]]] = []
        """Which names came, and went (None), since the folder was synced; those of one step come or go together."""

    @property
    def now(self) -> Image:
        """What a kill leaves."""
        return {name: file.now for name, file in self._names.items()}

    def do(self, operation: Operation) -> None:
        """Do what was recorded."""
        kind, fd, at, name, data = operation
        if kind == "O":
            self._opened(fd, name, truncated=bool(at))
        elif kind == "U":
            del self._names[name]
            self._changes.append([(name, None)])
        elif kind == "R":
            moved = self._names.pop(name)
            self._names[data.decode()] = moved
            self._changes.append([(name, None), (data.decode(), moved)])
        elif kind == "S":
            self._sync(fd)
        elif kind in "WZ":
            file = self._open[fd]
            assert file is not None
            if kind == "W":
                file.write(at, data)
            else:
                file.truncate(at)

    def _opened(self, fd: int, name: str, *, truncated: bool) -> None:
        if not name:
            self._open[fd] = None
            return
        if name not in self._names:
            self._names[name] = File()
            self._changes.append([(name, self._names[name])])
        self._open[fd] = self._names[name]
        if truncated:
            self._names[name].truncate(0)

    def _sync(self, fd: int) -> None:
        if not self._heeds_syncs:
            return
        if (file := self._open[fd]) is not None:
            file.sync()
        else:
            self._synced = dict(self._names)
            self._changes.clear()

    def after_power_loss(self, dice: random.Random) -> Image:
        """Return what may be found in the folder."""
        names: dict[str, File] = dict(self._synced)
        share = dice.choice((0, 0.5, 1))
        for step in self._changes:
            if dice.random() < share:
                for name, file in step:
                    names.pop(name, None)
                    if file is not None:
                        names[name] = file
        return {name: file.after_power_loss(dice) for name, file in names.items()}
