"""The protocol between a peer and `cargo xtask bench`: set up, then one round for each line of standard input."""

import json
import resource
import sys
import time


def serve(about, run_round):
    """Runs `run_round`, which returns units of work done and what else there is to tell, once for each line."""
    say({"ready": about})
    for _ in sys.stdin:
        started = time.perf_counter()
        units, more = run_round()
        seconds = time.perf_counter() - started
        # Linux counts in KiB.
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        say({"seconds": seconds, "units": units, "peak_mib": peak_mib, "more": more})


def say(line):
    print(json.dumps(line), flush=True)
