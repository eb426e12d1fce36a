"""How many rows each wave of a batch gets: read from `--waves`, and cut out of the rows there are to send. Pure."""

import re
from collections.abc import Sequence
from typing import NamedTuple

MOST_SIZES = 100

_SIZE = re.compile(r"(?P<rows>\d{1,9})|(?P<share>\d{1,3}(\.\d+)?)\s*%|(?P<rest>rest)", re.ASCII | re.IGNORECASE)


class WaveSize(NamedTuple):
    """A number of rows, or a share of all rows to send; neither stands for all that are left."""

    rows: int | None = None
    """So many rows."""
    share: float | None = None
    """Or such a share of the rows to send when the batch begins, 0 to 1; a row at least."""

    def __str__(self) -> str:
        """Return the size as it is written on the command line."""
        if self.rows is not None:
            return str(self.rows)
        return "rest" if self.share is None else f"{self.share * 100:g}%"

    def of(self, rows: int) -> int:
        """Return how many of so many rows to send that is."""
        if self.rows is not None:
            return self.rows
        return rows if self.share is None else max(1, round(self.share * rows))


REST = WaveSize()


def parse_waves(text: str) -> tuple[WaveSize, ...]:
    """Read `1,10,25%,rest`: numbers of rows and shares, at the end `rest` if it is to be said. Raises ValueError."""
    sizes = []
    for part in text.split(","):
        match = _SIZE.fullmatch(part.strip())
        size = WaveSize()
        if match and match["rows"]:
            size = WaveSize(rows=int(match["rows"]))
        elif match and match["share"]:
            size = WaveSize(share=float(match["share"]) / 100)
        if not match or size.rows == 0 or not 0 < (1 if size.share is None else size.share) <= 1:
            raise ValueError(f"{part.strip()!r} is no size of a wave; write 1,10,25%,rest for example")
        sizes.append(size)
    if REST in sizes[:-1]:
        raise ValueError(f"in {text!r} nothing is left after `rest`; write it last")
    if len(sizes) > MOST_SIZES:
        raise ValueError(f"{len(sizes)} waves are too many: {MOST_SIZES} at most")
    return tuple(sizes)


def cut(rows: int, sizes: Sequence[WaveSize]) -> list[int]:
    """Return how many rows each wave gets; those that no size covers make a last wave, and no wave is empty."""
    waves, left = [], rows
    for size in (*sizes, REST):
        waves.append(min(left, size.of(rows)))
        left -= waves[-1]
    return [wave for wave in waves if wave]
