"""The manifest: CSV or YAML to rows, every fault of the file at once, each with its line.

Promises that memory does not grow with the file, that any bytes end in rows or faults, and that an id is never anything
but the text that was written. Never changes a file, and never looks for the same id twice: that takes a database.
"""

from bulkroute.manifest.faults import Faults
from bulkroute.manifest.given_rows import GivenRow, check_rows
from bulkroute.manifest.source import Manifest, open_manifest

__all__ = ["Faults", "GivenRow", "Manifest", "check_rows", "open_manifest"]
