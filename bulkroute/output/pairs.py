"""Where rows lead now and are to lead, as a plan and the question before the first call show it: one text for both."""

from collections.abc import Iterable, Iterator

from bulkroute.model import Pair

MOST_PAIRS = 20
"""Pairs of targets that people are shown, the commonest ones; nobody reads a thousand."""


def pair_lines(
    pairs: Iterable[Pair], *, whence: bool = True, most: int = MOST_PAIRS, all_by: str = "plan --json"
) -> Iterator[tuple[int, str]]:
    """Yield the commonest pairs, each with its rows, and what the others come to; without `whence` only where to.

    `all_by` is the command that shows all of them.
    """
    more = more_rows = 0
    for number, pair in enumerate(pairs):
        if number < most:
            yield pair.rows, str(pair) if whence else f"to {pair.after}"
        else:
            more, more_rows = more + 1, more_rows + pair.rows
    if more:
        yield more_rows, f"in {more:,} more pairs of targets; `{all_by}` shows all"
