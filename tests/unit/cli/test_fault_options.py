"""The options that make things go wrong: what each of them sets, and that none of the simulator's knobs lacks one."""

import dataclasses
import re
from typing import Any

import click
import pytest
from click.testing import CliRunner

from bulkroute.cli.fault_options import GROUPS, fields_of
from bulkroute.cli.simulate import simulate
from bulkroute.simulator import Faults

WITHOUT_FLAG = {
    "faulty", "wrong_length", "drip", "drip_s", "no_return_code", "numeric_return_code", "big_answer", "gzip_bomb",
    "redirect", "locked_enforced", "token_expires", "token_latency_s", "require_app_key", "list_changes", "wrong_total",
    "loose_filters", "schema_wrapper", "bare_access_codes",
}  # fmt: skip
"""Knobs for tests of the client alone; the admin endpoint sets them."""

BY_ANOTHER_WAY = {
    "reset_before": "--reset", "reset_after": "--reset", "hang_before": "--hang", "hang_after": "--hang",
    "throttle": "--throttle", "throttle_span_s": "--throttle", "fail_status": "--fail-status", "bad_ids": "--bad-id",
    "keepalive_s": "--keepalive",
}  # fmt: skip


def faults(*flags: str) -> Faults:
    """Return what the command would hand to the simulator."""
    known = {
        knob.field or knob.flag.removeprefix("--").replace("-", "_") for knobs in GROUPS.values() for knob in knobs
    }
    given = simulate.make_context("simulate", list(flags)).params
    return Faults(**fields_of({name: value for name, value in given.items() if name in known}))


CASES: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    ((), {}),
    (("--latency", "80", "--jitter", "5"), {"latency_ms": 80, "jitter_ms": 5}),
    (
        ("--reset", "0.2", "--hang", "0.1"),
        {"reset_before": 0.1, "reset_after": 0.1, "hang_before": 0.05, "hang_after": 0.05},
    ),
    (("--fail-status", "522=0.1", "--fail-status", "408=0.2"), {"fail_status": {"522": 0.1, "408": 0.2}}),
    (("--bad-id", "a=b=business_ids"), {"bad_ids": {"a=b": "business_ids"}}),
    (("--forbidden-ids", "0.1"), {"forbidden_ids": 0.1}),
    (
        ("--outage", "5s+20s:503", "--outage", "1m+5s/20s:refused", "--times-from", "start"),
        {"outages": ("5s+20s:503", "1m+5s/20s:refused"), "times_from": "start"},
    ),
    (("--refuse", "0.01"), {"refuse": 0.01}),
    (("--throttle", "40"), {"throttle": 40}),
    (
        ("--throttle", "600/m", "--throttle-shape", "fixed"),
        {"throttle": 600, "throttle_span_s": 60, "throttle_shape": "fixed"},
    ),
    (("--throttle", "9000/h"), {"throttle": 9000, "throttle_span_s": 3600}),
    (("--throttle", "40/s", "--throttle-burst", "5"), {"throttle": 40, "throttle_burst": 5, "throttle_shape": "leaky"}),
    (
        ("--throttle", "20", "--throttle-burst", "40", "--throttle-shape", "queue"),
        {"throttle": 20, "throttle_burst": 40, "throttle_shape": "queue"},
    ),
    (("--throttle-at", "60s:10", "--throttle-at", "2m:none"), {"throttle_at": ("60s:10", "2m:none")}),
    (("--throttle-forever",), {"throttle_forever": True}),
    (("--throttle", "20", "--nodes", "2", "--node-span", "60"), {"throttle": 20, "nodes": 2, "node_span_s": 60}),
    (
        ("--throttle", "50", "--others", "25", "--others-pattern", "walk", "--others-period", "30"),
        {"throttle": 50, "others": 25, "others_pattern": "walk", "others_period_s": 30},
    ),
    (("--retry-after", "1", "--retry-after", "3"), {"retry_after": ("1", "3")}),
    (("--rate-header", "x-apig", "--rate-header", "draft-06"), {"rate_headers": ("x-apig", "draft-06")}),
    (
        ("--throttle-status", "200", "--throttle-code", "X", "--throttle-body", "vendor", "--throttle-says", "no"),
        {"throttle_status": 200, "throttle_code": "X", "throttle_body": "vendor", "throttle_says": "no"},
    ),
    (
        ("--token-life", "4", "--token-limit", "0", "--token-single"),
        {"token_life_s": 4, "token_limit": 0, "token_single": True},
    ),
    (("--token-fail-times", "2", "--token-fail-status", "503"), {"token_fail_times": 2, "token_fail_status": 503}),
    (("--token-status", "201", "--token-answer", "oauth"), {"token_status": 201, "token_answer": "oauth"}),
    (("--token-rotate", "30", "--refuse-after", "5"), {"token_rotate_s": 30, "refuse_after": 5}),
    (("--refuse-token", "0.01", "--refused-status", "401"), {"refuse_token": 0.01, "refused_status": 401}),
    (
        ("--read-delay", "2", "--unstable-order", "3", "--query-status", "404"),
        {"read_delay_s": 2, "unstable_order": 3, "query_status": 404},
    ),
    (("--skills-status", "404"), {"skills_status": 404}),
    (
        ("--refuse-missing-targets", "--refuse-media-mismatch"),
        {"refuse_missing_targets": True, "refuse_media_mismatch": True},
    ),
    (("--no-multimedia-enforced",), {"multimedia_enforced": False}),
    (("--charset", "gbk", "--no-charset-declared"), {"charset": "gbk", "charset_declared": False}),
]


@pytest.mark.parametrize(("flags", "set_"), CASES, ids=[" ".join(flags) or "nothing" for flags, _ in CASES])
def test_a_flag_sets_its_knobs(flags: tuple[str, ...], set_: dict[str, Any]) -> None:
    assert faults(*flags) == Faults(**set_)


def test_every_knob_has_a_flag_but_those_named_here() -> None:
    flags = {knob.field for knobs in GROUPS.values() for knob in knobs} | BY_ANOTHER_WAY.keys()
    assert {field.name for field in dataclasses.fields(Faults)} - flags == WITHOUT_FLAG


def test_help_shows_each_flag_once_under_its_group() -> None:
    text = simulate.get_help(click.Context(simulate, max_content_width=200, terminal_width=200))
    for title, knobs in GROUPS.items():
        assert f"\n{title}:\n" in text
        for knob in knobs:
            assert len(re.findall(rf"\n  {re.escape(knob.flag.replace('/', ' / '))}\s", text)) == 1
    assert text.count("\n  --port ") == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--throttle", "40/d"], "write 40, 40/s, 600/m or 9000/h"),
        (["--others", "5"], "set throttle"),
        (["--outage", "5s+20s:gone"], "gone is no kind of outage"),
        (["--outage", "5s+20s"], "write BEGIN+LENGTH[/PERIOD]:KIND[@WHERE][*SHARE]"),
        (["--throttle-at", "60s"], "write AT:CALLS"),
        (["--fail-status", "522"], "NAME=VALUE"),
        (["--bad-id", "1=none"], "none of fail_500_ids"),
        (["--write-token", "/nowhere/token"], "cannot write /nowhere/token"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_served(flags: list[str], message: str) -> None:
    nowhere = ["--host", "192.0.2.1"]  # what got this far could not be served
    result = CliRunner().invoke(simulate, [*flags, *nowhere])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
