"""`python -m bulkroute` is the same as `bulkroute`."""

from bulkroute.cli import main

main()
