"""The options of `simulate` that make things go wrong, in groups, and their way into Faults.

Defaults stand in `Faults` alone: what is not given is left out.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import click

from bulkroute.cli.options import TEXT, ByFlag, Parsed

F = TypeVar("F", bound=Callable[..., Any])

_SPANS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


def _limit(text: str) -> tuple[float, float]:
    """Return calls and the span of time they are let in in, in seconds."""
    calls, _, unit = text.partition("/")
    if unit and unit not in _SPANS_S:
        raise ValueError(f"{text!r} is no limit: write 40, 40/s, 600/m or 9000/h")
    return float(calls), _SPANS_S[unit or "s"]


def _pair(text: str) -> tuple[str, str]:
    """Return what stands before and after the equals sign."""
    name, sign, value = text.rpartition("=")
    if not sign or not name:
        raise ValueError(f"{text!r} is not written NAME=VALUE")
    return name, value


_SHARE = click.FloatRange(0, 1)
_COUNT = click.IntRange(min=0)
_SECONDS = click.FloatRange(min=0)
_LIMIT = Parsed("limit", _limit)
_PAIR = Parsed("pair", _pair)


class Knob(NamedTuple):
    """One option. `field`: of Faults, '' where the way there is not straight."""

    flag: str
    field: str
    help: str
    type: Any = None
    metavar: str | None = None
    multiple: bool = False


def _shares(**helps: str) -> list[Knob]:
    return [Knob(f"--{name.replace('_', '-')}", name, text, _SHARE, "SHARE") for name, text in helps.items()]


GROUPS: Mapping[str, list[Knob]] = {
    "Single calls": [
        Knob("--latency", "latency_ms", "Time a call takes.", _SECONDS, "MS"),
        Knob("--jitter", "jitter_ms", "More time, at random.", _SECONDS, "MS"),
        *_shares(
            fail_500="Share of calls answered 500.",
            fail_502="Share of calls answered 502.",
            fail_503="Share of calls answered 503.",
            fail_504="Share of calls answered 504.",
        ),
        Knob("--fail-status", "", "Share of calls answered with any other status; repeatable.", _PAIR, "STATUS=SHARE", True),
        Knob("--reset", "", "Share of calls reset, half after the change.", _SHARE, "SHARE"),
        Knob("--hang", "", "Share of calls never answered, half changed.", _SHARE, "SHARE"),
        *_shares(
            half_answer="Share of answers cut in the middle.",
            garbage="Share of answers that are no JSON.",
            close_after="Share of answers that end the connection.",
        ),
    ],
    "Single routes": [
        *_shares(
            fail_500_ids="Share of ids that answer 500 for ever.",
            business_ids="Share of ids that fail with 200.",
            not_applied_ids="Share of ids whose success is untrue.",
            forbidden_ids="Share of ids that answer 403 for ever.",
            locked_ids="Share of ids that must not be edited.",
        ),
        Knob("--bad-id", "", "An id that has one of the first four for certain, 112539=business_ids; repeatable.",
             _PAIR, "ID=KIND", True),
    ],
    "Outages": [
        Knob("--outage", "outages", "When the service is down, and how: see above; repeatable.", str, "OUTAGE", True),
        Knob("--times-from", "times_from", "What times count from: first_call (the default) or start.",
             click.Choice(["first_call", "start"]), "EVENT"),
    ],
    "Limits": [
        *_shares(refuse="Share of calls refused with 429 at random."),
        Knob("--throttle", "", "Calls let through: 40 or 40/s, 600/m, 9000/h.", _LIMIT, "R"),
        Knob("--throttle-shape", "throttle_shape", "In any second (window), refused calls counted too (strict), by the "
             "clock's seconds (fixed), token bucket, nginx's leaky bucket, or a queue that gets slow first.",
             click.Choice(["window", "strict", "fixed", "bucket", "leaky", "queue"]), "SHAPE"),
        Knob("--throttle-burst", "throttle_burst", "Burst of leaky (the shape, if none is named), size of bucket or "
             "queue.", _COUNT, "N"),
        Knob("--throttle-at", "throttle_at", "The limit from a time on: 60s:10, 2m:0, 5m:none; repeatable.", str,
             "AT:R", True),
        Knob("--throttle-forever", "throttle_forever", "Answer every call 429.", bool),
        Knob("--nodes", "nodes", "Gateways that each have the limit; calls come to one at random.", click.IntRange(1), "N"),
        Knob("--node-span", "node_span_s", "Stay at one of them for S seconds.", _SECONDS, "S"),
        Knob("--others", "others", "Calls a second that other people spend of the limit.", _SECONDS, "R"),
        Knob("--others-pattern", "others_pattern", "steady, on_off, a random walk, or bursts.",
             click.Choice(["steady", "on_off", "walk", "bursts"]), "PATTERN"),
        Knob("--others-period", "others_period_s", "Seconds of one turn of the pattern, 60 unless given.", _SECONDS, "S"),
    ],
    "What a refusal says": [
        Knob("--retry-after", "retry_after", "seconds, date, epoch, or any text as it is; repeatable.", str, "TEXT", True),
        Knob("--rate-header", "rate_headers", "Tell the limit in headers: draft-06, draft-07, draft-10, x-ratelimit, "
             "x-ratelimit-epoch or x-apig; repeatable.",
             click.Choice(["draft-06", "draft-07", "draft-10", "x-ratelimit", "x-ratelimit-epoch", "x-apig"]), "KIND", True),
        Knob("--throttle-status", "throttle_status", "429, 503, 403 or 200.", click.Choice([429, 503, 403, 200]), "STATUS"),
        Knob("--throttle-code", "throttle_code", "The code, APIG.0308 unless given.", str, "CODE"),
        Knob("--throttle-body", "throttle_body", "gateway, billing, vendor (a returnCode) or html.",
             click.Choice(["gateway", "billing", "vendor", "html"]), "SHAPE"),
        Knob("--throttle-says", "throttle_says", "The policy, instead of the truth.", str, "TEXT"),
    ],
    "Tokens": [
        Knob("--token-life", "token_life_s", "Tokens live S seconds.", _SECONDS, "S"),
        Knob("--token-limit", "token_limit", "Refuse to issue more than N tokens.", _COUNT, "N"),
        Knob("--token-single", "token_single", "A new token ends the old one.", bool),
        Knob("--token-fail-times", "token_fail_times", "The first N requests for a token fail.", _COUNT, "N"),
        Knob("--token-fail-status", "token_fail_status", "How they fail, 500 unless given.", click.IntRange(400, 599), "STATUS"),
        Knob("--token-status", "token_status", "The status of an answer that holds a token.", click.IntRange(200, 599), "STATUS"),
        Knob("--token-answer", "token_answer", "An answer of another shape than the documented one.", click.Choice(
             ["html", "empty", "list", "no_token", "error", "ret_code", "oauth", "no_expires", "null_expires",
              "number_expires", "bearer"]), "SHAPE"),
        Knob("--token-rotate", "token_rotate_s", "Replace the ready token every S seconds by TOKEN-1, TOKEN-2 ...", _SECONDS, "S"),
        Knob("--refuse-after", "refuse_after", "Revoke a token after N calls under it.", _COUNT, "N"),
        *_shares(refuse_token="Share of calls whose good token is refused."),  # noqa: S106 - a help text
        Knob("--refused-status", "refused_status", "What a bad token gets, 403 unless given.", click.Choice([401, 403]), "STATUS"),
    ],
    "Reading, targets and texts": [
        Knob("--read-delay", "read_delay_s", "Queries show a change after S seconds.", _SECONDS, "S"),
        Knob("--unstable-order", "unstable_order", "Shuffle the first N queries.", _COUNT, "N"),
        Knob("--query-status", "query_status", "What queryCalledRoute answers.", click.IntRange(400, 599), "STATUS"),
        Knob("--skills-status", "skills_status", "What querySkills answers.", click.IntRange(400, 599), "STATUS"),
        Knob("--refuse-missing-targets", "refuse_missing_targets", "Binding to a target that does not exist fails.", bool),
        Knob("--refuse-media-mismatch", "refuse_media_mismatch", "Binding to a queue of another media type fails.", bool),
        Knob("--multimedia-enforced/--no-multimedia-enforced", "multimedia_enforced", "Binding a multimedia route to an "
             "IVR flow fails; it does unless told otherwise.", bool),
        Knob("--charset", "charset", "Answer in Chinese: utf-8, gbk or gb18030.", click.Choice(["utf-8", "gbk", "gb18030"]),
             "CHARSET"),
        Knob("--charset-declared/--no-charset-declared", "charset_declared", "Whether Content-Type says so.", bool),
    ],
}  # fmt: skip


class InGroups(click.Command):
    """A command whose help shows its options in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group under its name, and first the options that are in none."""
        records = {param.name: param.get_help_record(ctx) for param in self.get_params(ctx)}
        grouped = {title: [_name(knob) for knob in knobs] for title, knobs in GROUPS.items()}
        named = {name for names in grouped.values() for name in names}
        for title, names in {"Options": [name for name in records if name not in named], **grouped}.items():
            with formatter.section(title):
                formatter.write_dl([record for name in names if (record := records[name])])


def fault_options(command: F) -> F:
    """Add the options that make things go wrong."""
    for knob in reversed([knob for knobs in GROUPS.values() for knob in knobs]):
        kind: dict[str, Any] = {"type": knob.type, "metavar": knob.metavar, "multiple": knob.multiple}
        if knob.type is bool:
            kind = {"is_flag": True, "default": None}
        elif knob.multiple and knob.type is str:
            kind["type"] = TEXT
        command = click.option(knob.flag, _name(knob), cls=ByFlag, help=knob.help, **kind)(command)
    return command


def _name(knob: Knob) -> str:
    """Return the name under which click hands the value on."""
    return knob.field or knob.flag.removeprefix("--").replace("-", "_")


def fields_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of Faults that the options given set. Raises ValueError."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    fields = {
        name: value
        for name, value in given.items()
        if name not in ("throttle", "reset", "hang", "fail_status", "bad_id")
    }
    if "throttle" in given:
        fields["throttle"], fields["throttle_span_s"] = given["throttle"]
    if "throttle_burst" in given:
        if "throttle" not in given:
            raise ValueError("--throttle-burst needs --throttle")
        fields.setdefault("throttle_shape", "leaky")
    for name in ("reset", "hang"):
        if name in given:
            fields |= {f"{name}_before": given[name] / 2, f"{name}_after": given[name] / 2}
    if "fail_status" in given:
        fields["fail_status"] = {status: float(share) for status, share in given["fail_status"]}
    if "bad_id" in given:
        fields["bad_ids"] = dict(given["bad_id"])
    return fields
