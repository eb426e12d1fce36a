"""Which plans may be run with which settings: each refusal says what is wrong, where, and what to do."""

import hashlib
import time
from typing import Any

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.errors import BulkrouteError, ExitCode
from bulkroute.ledger.intake import Written
from bulkroute.ledger.staging import Staging
from bulkroute.manifest.saved_plan import PlanCounts, PlanHead, PlanOrigin
from bulkroute.model import iso
from bulkroute.run.approval import require_approved, require_flags
from bulkroute.settings import SIMULATOR, OnDrift, Settings

FINGERPRINT = "3f9ca1b277d0" + "0" * 52
NOW = 1_774_700_000.0
KEY = Credentials(app_key="eu-key", app_secret=Secret("hush"))


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)


def plan(*, age_s: float = 3600, **changed: Any) -> Written:
    app_key = hashlib.sha256(b"eu-key").hexdigest()[:12]
    origin = PlanOrigin("0.2.0", iso(NOW - age_s), "ann@ops1", "https://cc.example.com", app_key, "eu", "x.csv", None)
    counts = PlanCounts(1, 1, 0, 0, 0, {}, 0)
    head = PlanHead(origin._replace(**changed), True, 1, counts, [], [], 0, [])
    return Written(Staging.__new__(Staging), "x.plan", f"plan:{FINGERPRINT}", is_labelled=False, plan=head)


def settings(**options: Any) -> Settings:
    given: dict[str, Any] = {"base_url": "https://CC.example.com:443", "credentials": KEY, "tenant": "eu", **options}
    return Settings(**given)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"approved": FINGERPRINT[:12]},
        {"approved": "3F9C a1b2 77d0 0000"},
        {"approved": FINGERPRINT},
        {"credentials": Credentials(token=Secret("ready"))},
        {"plan_max_age_s": 3600.0},
        {"service": SIMULATOR, "tenant": "", "base_url": "http://127.0.0.1:1"},
    ],
)
def test_the_plan_that_was_approved_is_let_through(options: dict[str, Any]) -> None:
    said: list[str] = []
    require_approved(plan(), settings(**options), said.append)
    # Nobody knows whose a ready token is.
    assert ["cannot be checked" in text for text in said] == [True] * ("credentials" in options)


@pytest.mark.parametrize(
    ("written", "options", "code", "says"),
    [
        (plan(), {"approved": "4" + FINGERPRINT[1:12]}, ExitCode.MANIFEST, "and --approved says 4f9c a1b2 77d0"),
        (
            plan(),
            {"approved": f"{FINGERPRINT[:13]}1"},
            ExitCode.MANIFEST,
            f"is {FINGERPRINT}, and --approved says 3f9ca",
        ),
        (plan(), {"base_url": "https://cc2.example.com"}, ExitCode.USAGE, "not of https://cc2.example.com"),
        (plan(), {"credentials": Credentials(app_key="b", app_secret=Secret("c"))}, ExitCode.USAGE, "another app key"),
        (plan(), {"tenant": ""}, ExitCode.USAGE, "of tenant eu, not of no named tenant"),
        (plan(tenant=""), {}, ExitCode.USAGE, "of no named tenant, not of tenant eu"),
        (plan(age_s=93_600), {}, ExitCode.USAGE, "26 h 0 min ago, and --plan-max-age allows 24 h 0 min"),
        (plan(age_s=120), {"plan_max_age_s": 60.0}, ExitCode.USAGE, "2 min ago, and --plan-max-age allows 1 min"),
        (plan(age_s=-301), {}, ExitCode.USAGE, "clocks"),
        (plan(age_s=93_600), {"service": SIMULATOR}, ExitCode.USAGE, "26 h"),
    ],
)
def test_any_other_plan_is_refused(written: Written, options: dict[str, Any], code: ExitCode, says: str) -> None:
    with pytest.raises(BulkrouteError) as error:
        require_approved(written, settings(**options), print)
    assert error.value.exit_code is code
    assert says in str(error.value)
    assert error.value.where == "x.plan"
    assert error.value.hint


def test_a_manifest_needs_no_approval() -> None:
    require_approved(plan()._replace(plan=None), settings(approved=FINGERPRINT), print)


@pytest.mark.parametrize(
    ("is_plan", "options", "says"),
    [
        (False, {"require_approval": True}, "is no saved plan, and require-approval is set"),
        (True, {"require_approval": True}, "no --approved names"),
        (False, {"approved": FINGERPRINT}, "--approved is for saved plans"),
        (True, {"on_drift": OnDrift.SEND}, "is not sent over"),
        (True, {"snapshot": False}, "only live bindings tell"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(is_plan: bool, options: dict[str, Any], says: str) -> None:
    with pytest.raises(BulkrouteError, match=says) as error:
        require_flags("x", settings(**options), is_plan=is_plan)
    assert error.value.exit_code is ExitCode.USAGE
    assert error.value.hint


def test_flags_that_go_together_are_not() -> None:
    require_flags("x", settings(approved=FINGERPRINT, require_approval=True, on_drift=OnDrift.KEEP), is_plan=True)
    require_flags("x", settings(on_drift=OnDrift.SEND, snapshot=False), is_plan=False)


@pytest.mark.parametrize("text", ["", "3f9ca1b277d", "3f9ca1b277dg", FINGERPRINT + "0", "３f9ca1b277d0"])
def test_what_is_no_fingerprint_is_no_setting(text: str) -> None:
    with pytest.raises(BulkrouteError, match="--approved"):
        settings(approved=text)
