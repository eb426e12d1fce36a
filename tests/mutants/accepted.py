"""Mutants that no test need notice, each with the reason, in `accepted.txt`: what they change makes no difference.

The file has the mutant, `file function: old -> new`, on one line, and the reason on the next ones, further in.
"""

from pathlib import Path

ACCEPTED = Path(__file__).with_suffix(".txt")


def read_accepted() -> dict[str, str]:
    """Return the reason for each accepted mutant. Raises ValueError for one without."""
    reasons: dict[str, str] = {}
    mutant = ""
    for line in ACCEPTED.read_text().splitlines():
        if line.startswith(" "):
            reasons[mutant] = f"{reasons[mutant]} {line.strip()}".strip()
        elif line and not line.startswith("#"):
            mutant = line
            reasons[mutant] = ""
    if bare := [mutant for mutant, reason in reasons.items() if not reason]:
        raise ValueError(f"{ACCEPTED.name}: no reason for {bare}")
    return reasons
