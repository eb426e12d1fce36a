"""Print what the pace comes to on nights under limits, in virtual time.

python -m tests.lab                     the 51 nights for seeds 1 to 5, and five draws
python -m tests.lab --seeds 1 --draws 0
python -m tests.lab --draws 100,101     nights drawn at random, by their seeds
python -m tests.lab --only shared       nights whose name contains a word
"""

import argparse
import math
from collections.abc import Iterable

from tests.lab.pace_draws import draw
from tests.lab.pace_nights import Night, nights, target_of
from tests.lab.pace_run import Figures, spend


def shown(seconds: float | None) -> str:
    return "" if seconds is None else "never" if seconds == math.inf else f"{seconds:.0f}"


def short_of_target(night: Night, got: Figures) -> str:
    """Name what misses its target."""
    target = target_of(night)
    missed = [f"goodput {target.goodput:.0%}"] * (got.goodput < target.goodput)
    missed += [f"refused {target.refused:.0%}"] * (got.refused > target.refused)
    return f"  short of {', '.join(missed)}" if missed else ""


def show(night: Night, seed: int, *, judged: bool) -> Figures:
    got = spend(night, seed)
    harm = "" if got.harm is None else f"{got.harm:.1%}"
    print(
        f"{night.name:<66}{seed:>5}{got.goodput:>8.1%}{got.refused:>8.1%}{shown(got.found_s):>7}{shown(got.back_s):>7}"
        f"{got.worst_minute:>7.0%}{harm:>7}{got.over:>5}{short_of_target(night, got) if judged else ''}"
    )
    return got


def sum_up(what: str, figures: Iterable[Figures]) -> None:
    all_of = list(figures)
    if all_of:
        goodputs = [min(1.0, got.goodput) for got in all_of]
        print(
            f"{what}: goodput {sum(goodputs) / len(all_of):.1%} on average, {min(goodputs):.0%} at worst; refused"
            f" {sum(got.refused for got in all_of) / len(all_of):.1%} on average; {sum(got.over for got in all_of)} over\n"
        )


def numbers(text: str) -> list[int]:
    """Read `1-5` or `7,9`."""
    first, dash, last = text.partition("-")
    return list(range(int(first), int(last) + 1)) if dash else [int(each) for each in text.split(",") if int(each)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=numbers, default=numbers("1-5"), help="of the 51 nights; 0: none of them")
    parser.add_argument("--draws", type=numbers, default=numbers("1-5"), help="seeds of drawn nights; 0: none")
    parser.add_argument("--only", default="", metavar="WORD")
    args = parser.parse_args()
    print(
        f"{'night':<66}{'seed':>5}{'goodput':>8}{'refused':>8}{'found':>7}{'back':>7}{'worst':>7}{'harm':>7}{'over':>5}"
    )
    for seed in args.seeds:
        known = (night for night in nights() if args.only in night.name)
        sum_up(f"seed {seed}", [show(night, seed, judged=True) for night in known])
    for seed in args.draws:
        drawn = (night for night in draw(seed) if args.only in night.name)
        sum_up(f"draw {seed}", [show(night, seed, judged=False) for night in drawn])


if __name__ == "__main__":
    main()
