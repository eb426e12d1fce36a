"""Settings: checked and frozen values, and how their texts are read. Reads no file and no environment."""

from bulkroute.settings.parsing import (
    NO_VALUE,
    SKIPPABLE,
    parse_back_out_on,
    parse_command,
    parse_duration,
    parse_exit_codes,
    parse_failure_limit,
    parse_fingerprint,
    parse_header,
    parse_rate,
    parse_rewrite_rule,
    parse_share,
    parse_skip,
)
from bulkroute.settings.settings import LOOPBACK_HOSTS, MOST_IN_FLIGHT, SIMULATOR, Settings
from bulkroute.settings.values import BackOutOn, FailureLimit, OnDrift, RewriteRule
from bulkroute.settings.wave_sizes import WaveSize, parse_waves

__all__ = [
    "LOOPBACK_HOSTS",
    "MOST_IN_FLIGHT",
    "NO_VALUE",
    "SIMULATOR",
    "SKIPPABLE",
    "BackOutOn",
    "FailureLimit",
    "OnDrift",
    "RewriteRule",
    "Settings",
    "WaveSize",
    "parse_back_out_on",
    "parse_command",
    "parse_duration",
    "parse_exit_codes",
    "parse_failure_limit",
    "parse_fingerprint",
    "parse_header",
    "parse_rate",
    "parse_rewrite_rule",
    "parse_share",
    "parse_skip",
    "parse_waves",
]
