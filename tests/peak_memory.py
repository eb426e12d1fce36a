"""Runs the command line and then prints the most memory it ever held, in KiB, as the last line of stderr.

From VmHWM: what getrusage says of a process includes what its parent held when it was started.
"""

import re
import sys
from pathlib import Path

from bulkroute.cli import main

try:
    main(sys.argv[1:])
finally:
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(peak[1] if peak else "", file=sys.stderr)
