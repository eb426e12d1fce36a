"""Runs the command line and then prints the most memory it ever held, in KiB, as the last line of stderr."""

import resource
import sys

from bulkroute.cli import main

try:
    main(sys.argv[1:])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
