"""What a check found, in words: of more groups than anybody reads, the rest is counted, and it is said how to see all."""

import io

from bulkroute.ledger.compare import Difference, DifferenceKind
from bulkroute.live.verify import Verified
from bulkroute.model import NamedTarget
from bulkroute.output.verification import MOST_GROUPS, print_verified


def test_groups_beyond_the_first_ones_are_counted() -> None:
    night = NamedTarget(3, 3002, "Night")
    differences = [
        Difference(
            str(place), DifferenceKind.ELSEWHERE, None, night, NamedTarget(1, place, ""), "4008001234", str(place)
        )
        for place in range(MOST_GROUPS + 3)
    ]
    stream = io.StringIO()
    print_verified(Verified("night.ledger.db", 1, 800, 0, 0, differences, True), stream, rows=False)
    lines = stream.getvalue().splitlines()
    assert len(lines) == MOST_GROUPS + 4
    assert lines[-2].split(maxsplit=2) == ["others", "3", "3 more groups; --rows shows each row"]
    assert lines[-1] == "777 of 800 rows done are as the ledger says; 23 elsewhere"
