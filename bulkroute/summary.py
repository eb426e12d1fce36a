"""How a run ended, or how a ledger stands: the object that `--json` prints."""

import json
from dataclasses import asdict, dataclass, field

from bulkroute.errors import ExitCode


@dataclass(frozen=True)
class Summary:
    """Totals are of the batch over all its runs; attempts, retries, throttled, seconds and rate are of the run."""

    ledger: str
    batch: int | None
    """None where the command ended before there was one."""
    run: int | None
    total: int
    succeeded: int
    unchanged: int
    failed: int
    pending: int
    in_doubt: int
    attempts: int = 0
    retries: int = 0
    throttled: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    rate: float = 0.0
    """Calls per second, on average."""
    stopped: str | None = None
    exit_code: int | None = None

    @property
    def done(self) -> int:
        """Rows whose binding is as wanted."""
        return self.succeeded + self.unchanged

    @property
    def window_closed(self) -> bool:
        """Whether the run did what it could in the time or the rows it was given: nobody needs to act."""
        named = any(flag in (self.stopped or "") for flag in ("--until", "--max-duration", "--max-rows"))
        return self.exit_code == ExitCode.STOPPED and not self.failed and named

    def to_json(self) -> str:
        """Return the object on one line."""
        return json.dumps(asdict(self), ensure_ascii=False)


def verdict(*, failed: int, pending: int, in_doubt: int) -> ExitCode:
    """Return what a run that was not stopped tells its caller."""
    return ExitCode.SOME_FAILED if failed or pending or in_doubt else ExitCode.DONE
