"""The public names, each once: what `from bulkroute import ...` gives. Everything else may change.

Importing this imports the network libraries; the package itself does so only once one of the names is used.
"""

from bulkroute.credentials import Credentials as Credentials
from bulkroute.credentials import Secret as Secret
from bulkroute.engine import Confirm as Confirm
from bulkroute.engine import Engine as Engine
from bulkroute.errors import BulkrouteError as BulkrouteError
from bulkroute.errors import CredentialsRefused as CredentialsRefused
from bulkroute.errors import ExitCode as ExitCode
from bulkroute.errors import KeysRefused as KeysRefused
from bulkroute.errors import LedgerBusy as LedgerBusy
from bulkroute.errors import LedgerError as LedgerError
from bulkroute.errors import ManifestError as ManifestError
from bulkroute.errors import NotRunning as NotRunning
from bulkroute.errors import ProxyRefused as ProxyRefused
from bulkroute.errors import ReadingRefused as ReadingRefused
from bulkroute.errors import ServiceUnreachable as ServiceUnreachable
from bulkroute.errors import StopKind as StopKind
from bulkroute.errors import StoppedEarly as StoppedEarly
from bulkroute.errors import UsageError as UsageError
from bulkroute.events import Event as Event
from bulkroute.events import Notice as Notice
from bulkroute.events import OnEvent as OnEvent
from bulkroute.events import Pause as Pause
from bulkroute.events import Progress as Progress
from bulkroute.events import Proposal as Proposal
from bulkroute.events import RateChanged as RateChanged
from bulkroute.events import RowFailed as RowFailed
from bulkroute.events import RowsRefused as RowsRefused
from bulkroute.events import RunEnded as RunEnded
from bulkroute.events import RunStarted as RunStarted
from bulkroute.events import Stopping as Stopping
from bulkroute.events import Summary as Summary
from bulkroute.events import WaitBegan as WaitBegan
from bulkroute.events import WaitEnded as WaitEnded
from bulkroute.ledger.compare import Change as Change
from bulkroute.ledger.compare import Difference as Difference
from bulkroute.ledger.compare import PlanCounts as PlanCounts
from bulkroute.ledger.compare import PlanRow as PlanRow
from bulkroute.ledger.intake import Source as Source
from bulkroute.ledger.live_bindings import LiveBindings as LiveBindings
from bulkroute.ledger.live_bindings import LiveRoute as LiveRoute
from bulkroute.live.plan import Plan as Plan
from bulkroute.live.verify import Verified as Verified
from bulkroute.manifest.given_rows import GivenRow as GivenRow
from bulkroute.model import Binding as Binding
from bulkroute.model import DeviceType as DeviceType
from bulkroute.model import FailureKind as FailureKind
from bulkroute.model import Row as Row
from bulkroute.model import Status as Status
from bulkroute.run.run import Run as Run
from bulkroute.settings import FailureLimit as FailureLimit
from bulkroute.settings import OnDrift as OnDrift
from bulkroute.settings import Settings as Settings
