"""The manifest: CSV or YAML to rows, every fault of the file at once, each with its line.

A row says which called route it is by its id, or by its number. Promises that memory does not grow with the file, that
any bytes end in rows or faults, and that an id is never anything but the text that was written. Never changes a file,
never looks for the same id twice (that takes a database), and never asks the service what a number or a name means.
"""

from bulkroute.manifest.faults import Faults
from bulkroute.manifest.given_rows import GivenReader, GivenRow, check_rows
from bulkroute.manifest.header import Kind
from bulkroute.manifest.reading import Reading
from bulkroute.manifest.source import Manifest, open_manifest

__all__ = ["Faults", "GivenReader", "GivenRow", "Kind", "Manifest", "Reading", "check_rows", "open_manifest"]
