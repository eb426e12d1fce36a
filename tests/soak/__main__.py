"""`make soak`, or `python -m tests.soak cutover --seconds 600 --seed 7`.

`cutover`: one long run with everything on, see `tests/soak/cutover.py`. `nights`: many short ones, see `nights.py`.
Prints what was done and measured; exits 1 at the first promise that was broken, leaving the folder in place. The
witness is the simulator.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.soak import PromiseBroken, cutover, nights


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cutover", "nights"))
    parser.add_argument("--seconds", type=float, default=3600, help="how long to go on (3600)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32), help="of what goes wrong")
    options = parser.parse_args()
    # A shell lets what it starts in the background ignore SIGINT; runs would inherit that for their first moments.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="bulkroute-soak-"))
    print(f"seed {options.seed}, files: {folder}", flush=True)
    spend = {"cutover": cutover.spend, "nights": nights.spend}[options.what]
    try:
        for line in spend(folder, options.seed, options.seconds):
            print(line, flush=True)
    except (PromiseBroken, AssertionError, subprocess.TimeoutExpired) as broken:
        print(f"BROKEN: {broken}\nits files: {folder}", flush=True)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
