"""A large installation beside an empty one."""

import time

from . import measure, servers
from .client import OPERATOR, Client
from .outcome import Outcome

# Documents that both have, so that both have something to hand out.
COMMON = 50


class Side:
    """One of the two, running."""

    def __init__(self, bench, data, account, listed):
        self.account, self.listed = account, listed
        self.server = servers.Consign(bench, data, bench.server_core, 1)
        self.paths = bench.fresh("paths")
        caller = Client(self.server.url)
        links = [caller.link(account.receiver, file) for file in account.small]
        caller.close()
        self.links = self._list("links", [link[len(self.server.url):] for link in links])
        self.made = self._list("made", [f"/generate_download_url/{file}" for file in listed])

    def _list(self, name, paths):
        file = self.paths / name
        file.write_text("".join(f"{path}\n" for path in paths))
        return file

    def calls(self, bench):
        """Each call's cost, in microseconds, over one connection."""
        url, account = self.server.url, self.account

        def cost(*load, token=None, path="/"):
            return 1e6 / measure.wrk(bench, url + path, 1, *load, token=token).rate

        return {
            "link made": cost("list", self.made, token=account.receiver),
            "download of 100 KB": cost("list", self.links),
            "listing of 50 files": cost(token=account.receiver, path=f"/files?limit={COMMON}"),
            "upload of 100 KB": self._upload(bench),
            "login": self._login(2 if bench.options.quick else 6),
        }

    def _upload(self, bench):
        measure.settle()
        load = measure.wrk(
            bench, f"{self.server.url}/upload", 1, "form", bench.payloads.small, "report.docx",
            token=self.account.operator,
        )
        return 1e6 / load.rate

    def _login(self, count):
        caller = Client(self.server.url)
        caller.login(OPERATOR)
        begun = time.monotonic()
        for _ in range(count):
            caller.login(OPERATOR)
        taken = (time.monotonic() - begun) / count
        caller.close()
        return taken * 1e6


def million(bench, _):
    """Start to first answer, and every call, in turn on both."""
    files, users = (20_000, 2_000) if bench.options.quick else (1_000_000, 100_000)
    large = bench.fresh("large") / "data"
    empty = bench.fresh("empty") / "data"
    print(f"  storing {files:,} files and {users:,} users", flush=True)
    told = bench.children.run("fill", [bench.programs.helper, "fill", large, files, users],
                              bench.both_cores, patience=3600).split()
    accounts = {data: bench.populate(data, COMMON) for data in (empty, large)}
    starts = {data: [] for data in accounts}
    for number in range(bench.options.rounds + 1):
        for data, times in starts.items():
            taken = _start(bench, data)
            # The first round warms up.
            if number:
                times.append(taken * 1e3)
    sides = [
        Side(bench, empty, accounts[empty], accounts[empty].small),
        Side(bench, large, accounts[large], told),
    ]
    costs = [[], []]
    for number in range(bench.options.rounds + 1):
        for side, found in zip(sides, costs, strict=True):
            called = side.calls(bench)
            # Here too.
            if number:
                found.append(called)
    for side in sides:
        side.server.stop()
    size = f"{files:,} files and {users:,} users"
    more = [held - bare for held, bare in zip(starts[large], starts[empty], strict=True)]
    bench.extra["start, ms"] = {"empty": starts[empty], "large": starts[large]}
    note = f"empty: {measure.median(starts[empty]):.0f} ms; with them: {measure.median(starts[large]):.0f} ms"
    outcomes = [Outcome("million", f"start to first answer with {size}: more than empty", "ms", more,
                        200.0, "<", note=note)]
    for call in costs[0][0]:
        bare, held = ([found[call] for found in side] for side in costs)
        outcomes.append(Outcome("million", f"{call}, with {size}", "us", held, 1.5, "<=",
                                "the same when empty", bare))
    return outcomes


def _start(bench, data):
    """From the start of the program to its first answer."""
    begun = time.monotonic()
    server = servers.Consign(bench, data, bench.server_core, 1)
    caller = Client(server.url)
    caller.call("GET", "/healthz")
    taken = time.monotonic() - begun
    caller.close()
    server.stop()
    return taken
