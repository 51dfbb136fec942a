"""The protocol between a peer and `cargo xtask bench`: set up, then one round for each line of standard input."""

import json
import resource
import sys
import time


def serve(about, run_round):
    """Runs `run_round` once for each line; it returns units of work done and what else there is to tell, or a function
    that makes it after the clock has stopped."""
    say({"ready": about})
    for _ in sys.stdin:
        started = time.perf_counter()
        units, more = run_round()
        seconds = time.perf_counter() - started
        say({"seconds": seconds, "units": units, "peak_mib": peak_mib(), "more": more() if callable(more) else more})


def peak_mib():
    """Peak memory of this process. `ru_maxrss` would include that of the program that started it."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def say(line):
    print(json.dumps(line), flush=True)
