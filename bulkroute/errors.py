"""Every error that ends a command, each with what happened, where, what to do next, and its exit code.

    BulkrouteError                    exit
    ├── UsageError                      2   wrong usage or settings
    ├── StoppedEarly                    4   before the end, a signal before anything was sent included
    ├── LedgerError                     5   damaged, foreign, newer, full, not writable
    ├── ManifestError                  65   the manifest is invalid, nothing was sent
    ├── ServiceUnreachable             69   no connection to the service at all
    │   └── ReadingRefused             69   the service does not let its bindings be read
    ├── NotRunning                     69   `ctl` found no run to talk to
    ├── LedgerBusy                     75   another run holds the ledger
    ├── NotNow                         75   --before-run says that this is no moment for a run
    ├── CredentialsRefused             77   the service refuses the credentials (KeysRefused: the token service)
    └── ProxyRefused                   77   the proxy lets no call through

A failure of a row is a value (`model.Verdict`), never an exception: an exception that leaves a run means stop. Why it
stops is a `StopKind`, which decides the exit code; the sentence beside it is for people and decides nothing.
"""

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    SOME_FAILED = 1
    USAGE = 2
    LIMIT = 3
    STOPPED = 4
    LEDGER = 5
    DIFFERENT = 6
    BACKED_OUT = 7
    NOT_BACKED_OUT = 8
    MANIFEST = 65
    UNREACHABLE = 69
    BUG = 70
    BUSY = 75
    REFUSED = 77


EXIT_MEANINGS = {
    ExitCode.DONE: "every row is done (succeeded, unchanged or skipped), now or earlier",
    ExitCode.SOME_FAILED: "the run went through, some rows failed",
    ExitCode.USAGE: "wrong usage or settings",
    ExitCode.LIMIT: "stopped by a failure limit, a wave that is not right, a gate or --before-run",
    ExitCode.STOPPED: "stopped early and resumable: a signal, a limit in rows or time, or throttled for too long",
    ExitCode.LEDGER: "the ledger cannot be used; what was recorded stays",
    ExitCode.DIFFERENT: "verify found differences; plan --exit-code found changes; drift, and --on-drift stop",
    ExitCode.BACKED_OUT: "backed out: all that the batch had changed is proven to be as before",
    ExitCode.NOT_BACKED_OUT: "backed out, but not all is proven to be as before",
    ExitCode.MANIFEST: "the manifest is invalid, or the plan not intact or not as approved; nothing was sent",
    ExitCode.UNREACHABLE: "the service cannot be reached at all, or does not let its bindings be read; no row could be tried",
    ExitCode.BUG: "a bug in bulkroute",
    ExitCode.BUSY: "not now: another run holds this ledger, or --before-run said so; nothing was done",
    ExitCode.REFUSED: "the service refuses the credentials, rows stay pending",
}
"""Each exit code in words, for the help and the README."""


class StopKind(StrEnum):
    """Why a command ended before its rows did: one word for machines, kept in the ledger and in `--json`."""

    def __new__(cls, word: str, exit_code: ExitCode, meaning: str) -> "StopKind":
        """Make a member of its word; what the word means and leads to go with it."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.exit_code = exit_code
        member.meaning = meaning
        return member

    exit_code: ExitCode
    meaning: str

    SIGNAL = "signal", ExitCode.STOPPED, "SIGINT, SIGTERM or SIGHUP"
    CTL = "ctl", ExitCode.STOPPED, "`ctl stop`, or the button of the live page"
    MAX_ROWS = "max_rows", ExitCode.STOPPED, "--max-rows is reached"
    WINDOW = (
        "window",
        ExitCode.STOPPED,
        "--until or --max-duration is over, or what comes next would not be done by then",
    )
    DECLINED = "declined", ExitCode.STOPPED, "the question was not answered with yes"
    THROTTLED = "throttled", ExitCode.STOPPED, "throttled for longer than --max-throttle-wait"
    OUTAGE = "outage", ExitCode.STOPPED, "the service was down for longer than --max-outage-wait"
    UNSETTLED = (
        "unsettled",
        ExitCode.STOPPED,
        "the list of called routes never settled, and numbers or a selection need all of it",
    )
    MAX_FAILURES = "max_failures", ExitCode.LIMIT, "--max-failures is reached"
    MAX_CONSECUTIVE_FAILURES = "max_consecutive_failures", ExitCode.LIMIT, "--max-consecutive-failures is reached"
    MAX_REFUSED = "max_refused", ExitCode.LIMIT, "more rows are refused than --max-refused allows"
    CANARY = (
        "canary",
        ExitCode.LIMIT,
        "a wave was read back wrong or could not be read back, or rows of the first one failed",
    )
    GATE = "gate", ExitCode.LIMIT, "a gate did not say go"
    BEFORE_RUN = "before_run", ExitCode.LIMIT, "--before-run did not say go"
    CREDENTIALS = "credentials", ExitCode.REFUSED, "the service refuses the credentials"
    PROXY = "proxy", ExitCode.REFUSED, "the proxy lets no call through"
    UNREACHABLE = (
        "unreachable",
        ExitCode.UNREACHABLE,
        "no connection to the service came about (4 once rows were tried)",
    )
    READING_REFUSED = "reading_refused", ExitCode.UNREACHABLE, "the service does not let its bindings be read"
    USAGE = "usage", ExitCode.USAGE, "wrong usage or settings"
    TARGETS = (
        "targets",
        ExitCode.USAGE,
        "--strict-targets: a target that calls cannot reach (3 before a later wave)",
    )
    DRIFT = (
        "drift",
        ExitCode.DIFFERENT,
        "--on-drift stop: another hand has changed rows that were done, or that a plan is about",
    )
    EXPECT = "expect", ExitCode.MANIFEST, "the manifest has another number of rows than --expect says"
    MANIFEST = (
        "manifest",
        ExitCode.MANIFEST,
        "the manifest is invalid, or the saved plan is not intact or not as approved",
    )
    LEDGER = "ledger", ExitCode.LEDGER, "the ledger cannot be used"
    COPY = (
        "copy",
        ExitCode.STOPPED,
        "the ledger's copy in PostgreSQL cannot be written, or another host has taken the tenant over",
    )
    BUSY = "busy", ExitCode.BUSY, "another run holds the ledger, or --before-run said not now"
    BUG = "bug", ExitCode.BUG, "a bug in bulkroute"


FAULTS_NAMED = 3
"""How many faults of a manifest stand in the text of the error."""


class BulkrouteError(Exception):
    """Ends the command. `str(error)` is one line for a person; `hint` says what to do next."""

    stop = StopKind.BUG

    def __init__(self, what: str, *, where: str = "", hint: str = "", stop: StopKind | None = None) -> None:
        """`stop` where it is another kind than that of the class."""
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint
        self.stop = stop or self.stop

    @property
    def exit_code(self) -> ExitCode:
        """What the process tells its caller."""
        return self.stop.exit_code

    def __str__(self) -> str:
        """Return `where: what; hint`, leaving out what is empty."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}; {self.hint}" if self.hint else text


class UsageError(BulkrouteError):
    """A flag, an environment variable or a line of the settings file is wrong."""

    stop = StopKind.USAGE


class LedgerError(BulkrouteError):
    """The ledger cannot be used. What was recorded stays as it is."""

    stop = StopKind.LEDGER


class ServiceUnreachable(BulkrouteError):
    """Nothing at the service's address answers; no row could be tried."""

    stop = StopKind.UNREACHABLE


class ReadingRefused(ServiceUnreachable):
    """A reading endpoint is missing, refuses the call, or gives no answer that can be used."""

    stop = StopKind.READING_REFUSED


class StoppedEarly(BulkrouteError):
    """The command ended before its end, `stop` says why; it can be given again as it is."""

    stop = StopKind.SIGNAL

    @classmethod
    def given_up(cls, what: str, max_wait_s: float, words: str) -> "StoppedEarly":
        """Return why a command ends that has waited for so long until a service answers; `words` say what it met last."""
        return cls(
            f"the {what} was down for --max-outage-wait, {max_wait_s:g} s ({words})",
            hint="run the same command again later",
            stop=StopKind.OUTAGE,
        )

    @classmethod
    def declined(cls) -> "StoppedEarly":
        """Return why a command ends whose question somebody has answered with no."""
        return cls(
            "nothing was sent: it was not agreed to",
            hint="the same command asks again; with --yes it does not ask",
            stop=StopKind.DECLINED,
        )


class NotRunning(BulkrouteError):
    """No run is working on this ledger: there is nobody to control."""

    stop = StopKind.UNREACHABLE


class LedgerBusy(BulkrouteError):
    """Another run holds this ledger; nothing was done."""

    stop = StopKind.BUSY


class NotNow(BulkrouteError):
    """`--before-run` says that this is no moment for a run, and nothing to worry about; nothing was done."""

    stop = StopKind.BUSY


class CredentialsRefused(BulkrouteError):
    """The service refuses the credentials, a renewed token included."""

    stop = StopKind.CREDENTIALS


class KeysRefused(CredentialsRefused):
    """The token service refuses the key pair: no other interface was asked."""


class ProxyRefused(BulkrouteError):
    """The proxy lets no call through; each further one might lock the account that it knows us by."""

    stop = StopKind.PROXY

    def __init__(self, what: str) -> None:
        super().__init__(
            what, hint="check HTTPS_PROXY, its user and its password; NO_PROXY names the hosts that need no proxy"
        )


class ManifestError(BulkrouteError):
    """The manifest has faults. `faults` holds the first ones, ready to print; `total` counts all of them.

    `str(error)` names three of them; `headline` is for whoever prints them all.
    """

    stop = StopKind.MANIFEST

    def __init__(self, where: str, faults: list[str], total: int, *, stop: StopKind | None = None) -> None:
        noun = "fault" if total == 1 else "faults"
        super().__init__(
            f"{total} {noun}, nothing was sent", where=where, hint="correct the manifest and run again", stop=stop
        )
        self.faults = faults
        self.total = total

    @property
    def headline(self) -> str:
        """How many faults there are, in which manifest, and what to do."""
        return super().__str__()

    def __str__(self) -> str:
        """Return `where: how many; what to do: the first faults`, on one line."""
        named = self.faults[:FAULTS_NAMED]
        more = [f"{self.total - len(named)} more"] if self.total > len(named) else []
        return f"{self.headline}: {' | '.join([*named, *more])}" if named else self.headline
