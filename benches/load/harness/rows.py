"""The rows of the table, by name."""

import traceback

from . import rows_calls, rows_memory, rows_read, rows_scale, rows_write
from .failure import Failure

# In the order in which they are measured and shown.
ROWS = {
    "download-100k": rows_read.download_100k,
    "duel": rows_read.duel,
    "download-1g": rows_read.download_1g,
    "upload-1g": rows_write.upload_1g,
    "upload-100k": rows_write.upload_100k,
    "link": rows_calls.link,
    "listing": rows_calls.listing,
    "tokens": rows_calls.tokens,
    "logins": rows_calls.logins,
    "storm": rows_calls.storm,
    "memory": rows_memory.memory,
    "million": rows_scale.million,
}
NAMES = tuple(ROWS)


def measure(bench):
    """All that was asked for: the outcomes, the series to plot, and what failed."""
    outcomes, series, failures = [], {}, []
    for name in NAMES:
        if name not in bench.options.only:
            continue
        print(f"measuring {name}", flush=True)
        try:
            found = ROWS[name](bench, series)
        # Whatever it is, the other rows keep their figures.
        except Exception as failure:
            failures.append(f"{name}: {failure}")
            print(f"FAILED {failures[-1]}", flush=True)
            if not isinstance(failure, Failure):
                traceback.print_exc()
        else:
            outcomes += found
        finally:
            bench.children.stop()
    return outcomes, series, failures
