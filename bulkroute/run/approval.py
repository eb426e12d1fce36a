"""What a saved plan must be before any of it is sent: the one that was approved, of this service and tenant, and young.

Says no or nothing; what the plan's rows have come to since is for the live bindings to say.
"""

import time
from collections.abc import Callable
from datetime import datetime

from bulkroute.errors import ManifestError, UsageError
from bulkroute.events import WARNING
from bulkroute.ledger import intake
from bulkroute.ledger.batches import PLAN, Tenant
from bulkroute.ledger.intake import Source, Written
from bulkroute.manifest.saved_plan import PlanHead
from bulkroute.manifest.source import is_plan
from bulkroute.model import grouped
from bulkroute.settings import OnDrift, Settings, parse_fingerprint

AHEAD_S = 300
"""So far ahead the clock of the machine that made a plan may be."""


def require_runnable(source: Source, format_: str | None, settings: Settings) -> None:
    """Say at once what cannot be run with these settings, or cannot be opened. Raises UsageError, ManifestError."""
    require_flags(intake.name_of(source), settings, is_plan=is_plan(source, format_))
    intake.require_readable(source, format_)


def require_flags(name: str, settings: Settings, *, is_plan: bool) -> None:
    """Refuse what no plan, or nothing but an approved plan, may be run with. Raises UsageError."""
    if settings.require_approval and not (is_plan and settings.approved):
        hint = "save a plan (`bulkroute plan MANIFEST -o FILE.plan`), have it approved, and run that with --approved"
        what = "is no saved plan" if not is_plan else "is a plan that no --approved names"
        raise UsageError(f"{what}, and require-approval is set", where=name, hint=hint)
    if not is_plan:
        if settings.approved is not None:
            raise UsageError("--approved is for saved plans, and this is none", where=name, hint="give the plan's file")
        return
    if settings.on_drift == OnDrift.SEND:
        what = "a saved plan is not sent over what another hand has set since"
        raise UsageError(what, where=name, hint="--on-drift stop (the default) or keep")
    if not settings.snapshot:
        what = "only live bindings tell whether a saved plan still holds"
        raise UsageError(what, where=name, hint="leave --no-snapshot out")


def require_approved(written: Written, settings: Settings, on_notice: Callable[[str], None]) -> None:
    """Refuse a plan other than approved, of another service or tenant, or too old. Raises ManifestError, UsageError.

    `on_notice` is told where a ready token does not show whose it is.
    """
    head, fingerprint = written.plan, written.digest.removeprefix(PLAN)
    if head is None:
        return
    approved = parse_fingerprint(settings.approved) if settings.approved is not None else ""
    if not fingerprint.startswith(approved):
        said = f"its fingerprint is {grouped(fingerprint)}, and --approved says {grouped(approved)}"
        if grouped(fingerprint) == grouped(approved):
            said = f"its fingerprint is {fingerprint}, and --approved says {approved}"
        error = ManifestError(written.name, [f"{written.name}: {said}"], 1)
        error.hint = "run the plan that was approved, or have this one approved"
        raise error
    if not settings.is_rehearsal:
        _require_tenant(head, written.name, settings)
        if not (head.origin.app_key and settings.credentials.app_key):
            said = "whether plan and run are of one app key cannot be checked"
            on_notice(f"{WARNING}a ready token does not show whose it is: {said}")
    _require_young(head, written.name, settings)


def _require_tenant(head: PlanHead, name: str, settings: Settings) -> None:
    tenant, origin = Tenant.of(settings), head.origin
    if origin.service != tenant.service:
        what = f"this plan is of {origin.service}, not of {tenant.service}"
        raise UsageError(what, where=name, hint="check --base-url, or --profile")
    if origin.app_key and tenant.app_key and origin.app_key != tenant.app_key:
        what = f"this plan was made with another app key at {origin.service}"
        raise UsageError(what, where=name, hint="check BULKROUTE_APP_KEY, or --profile")
    if origin.tenant != settings.tenant:
        what = f"this plan is of {_tenant(origin.tenant)}, not of {_tenant(settings.tenant)}"
        raise UsageError(what, where=name, hint="give the --tenant or --profile that the plan was made with")


def _tenant(name: str) -> str:
    return f"tenant {name}" if name else "no named tenant"


def _require_young(head: PlanHead, name: str, settings: Settings) -> None:
    age_s = time.time() - datetime.fromisoformat(head.origin.made_at).timestamp()
    if age_s > settings.plan_max_age_s:
        what = f"this plan was made {_hours(age_s)} ago, and --plan-max-age allows {_hours(settings.plan_max_age_s)}"
        raise UsageError(what, where=name, hint="plan its manifest anew and have that approved, or allow more")
    if age_s < -AHEAD_S:
        what = f"this plan will have been made in {_hours(-age_s)}, by the clock of this machine"
        raise UsageError(what, where=name, hint="set the clocks of both machines")


def _hours(seconds: float) -> str:
    hours, minutes = divmod(int(seconds // 60), 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"
