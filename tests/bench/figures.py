"""The bench's arithmetic: medians with their spread, ratios within one round, and whether a target is reached."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """What several rounds gave."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return `0.91 (0.88 to 0.95)`, or the figure alone where there was one round."""
        if self.low == self.high:
            return _short(self.median)
        return f"{_short(self.median)} ({_short(self.low)} to {_short(self.high)})"


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def spread(samples: Sequence[float]) -> Spread:
    """Return median, least and greatest of the samples."""
    return Spread(statistics.median(samples), min(samples), max(samples))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return ours over theirs, round by round: what disturbs a round disturbs both sides of its ratio."""
    return spread([our / their for our, their in zip(ours, theirs, strict=True)])


def per_row(cost_many: float, rows_many: int, cost_few: float, rows_few: int) -> float:
    """Return what one more row costs; what both runs cost before their first row falls out."""
    return (cost_many - cost_few) / (rows_many - rows_few)


class Target(NamedTuple):
    """A bound on the median; `at_least` is False for a bound from above."""

    bound: float
    at_least: bool
    unit: str = "x"

    def __str__(self) -> str:
        """Return `>= 0.9 x`."""
        return f"{'>=' if self.at_least else '<='} {self.bound:g} {self.unit}"

    def reached(self, figure: Spread) -> bool:
        """Tell whether the median keeps to the bound."""
        return figure.median >= self.bound if self.at_least else figure.median <= self.bound


class Finding(NamedTuple):
    """One line of the table. `target` is None for a figure that is only for information."""

    what: str
    figure: Spread
    target: Target | None = None

    @property
    def mark(self) -> str:
        """Return `yes`, `NO`, or nothing where there is no target."""
        if self.target is None:
            return ""
        return "yes" if self.target.reached(self.figure) else "NO"


def at_least(bound: float, unit: str = "x") -> Target:
    """Return a target from below."""
    return Target(bound, at_least=True, unit=unit)


def at_most(bound: float, unit: str = "x") -> Target:
    """Return a target from above."""
    return Target(bound, at_least=False, unit=unit)


def table(findings: Sequence[Finding]) -> str:
    """Return the findings as lines of text."""
    cells = [("what", "target", "reached: median (least to most)", "ok")] + [
        (finding.what, str(finding.target or ""), str(finding.figure), finding.mark) for finding in findings
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )
