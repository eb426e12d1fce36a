"""How tenants stand, in lines: plain without a terminal, and no wider than one; a reason is always there in full."""

import io

import pytest

from bulkroute.fleet.status_table import print_standing
from bulkroute.fleet.views import BROKE_OFF, ENDED, TO_COME, TenantView
from tests.unit.output.test_tables import on_a_terminal

REFUSED = "the token service refuses the app key: HTTP 403, APIG.0303; check BULKROUTE_APP_KEY and its secret"
VIEWS = [
    TenantView("hooli", TO_COME),
    TenantView("acme", "running", "", 900, 209, 0, 20, 20.0, 39.0, asked_per_s=20.0, host="cc1"),
    TenantView(
        "globex", "running", "", 900, 204, 7, 4, 5.0, 74.0, "4008001234: business", asked_per_s=20.0, host="cc1"
    ),
    TenantView("stark", "paused", "the switch is \x1b[2J rebooting", 900, 77, asked_per_s=None, host="cc1"),
    TenantView("wayne", ENDED, REFUSED, 300, exit_code=77, host="cc1"),
    TenantView("tyrell", ENDED, "--max-rows 5 is reached", 300, 5, exit_code=4, host="cc1"),
    TenantView("initech", ENDED, "", 10, 10, exit_code=0, host="cc1"),
    TenantView("cyberdyne", BROKE_OFF, "without a word", 300, 40, host="cc1"),
]


def test_without_a_terminal_each_tenant_has_one_line_those_first_that_need_somebody() -> None:
    stream = io.StringIO()
    print_standing(VIEWS, stream)
    states, rows, _, head, *lines = stream.getvalue().splitlines()
    assert states == ("8 tenants: 1 failed, 1 broke off, 1 paused, 2 running, 1 stopped, 1 to come, 1 done")
    assert rows == "545 of 3,610 rows done, 7 failed, 3,058 left; 24 calls/s; 1 min 14 s to go"
    assert head.split() == ["tenant", "state", "done", "failed", "left", "rate", "to", "go", "host", "why"]
    assert [line.split()[0] for line in lines] == [
        *("wayne", "cyberdyne", "stark", "globex", "tyrell", "acme", "hooli", "initech")
    ]
    assert lines[0].split(None, 6) == ["wayne", "failed", "(77)", "0", "0", "300", f"cc1   {REFUSED}"]
    assert "0 of unlimited" in lines[2]
    assert "4 of 20/s  1 min 14 s  cc1   last failed: 4008001234: business" in lines[3]


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
@pytest.mark.parametrize("hosts", [1, 2])
def test_on_a_terminal_no_line_is_too_long_and_every_reason_is_whole(
    columns: int, hosts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-mono")
    views = [*VIEWS, TenantView("far", "elsewhere", "x", host="a-host-far-away")] if hosts == 2 else VIEWS
    shown = on_a_terminal(columns, lambda stream: print_standing(views, stream))
    lines = [line for line in shown.splitlines() if "\x1b" not in line]
    assert max(map(len, lines)) <= columns
    assert REFUSED in " ".join(shown.split())
    assert "\x1b[2J" not in shown
    assert ("a-host-far-away" in shown) == (hosts == 2)
    assert ("cc1" in shown) == (columns >= 120 or hosts == 2), "one host for all is not worth a column in a narrow one"
