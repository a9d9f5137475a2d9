"""What every row works with."""

import itertools
import os
import types

from . import client, measure, payloads, procs, servers, system
from .payloads import MIB

# Files in a listing.
LISTED = 100


class Bench:
    """Programs, payloads, folders and child processes of one run."""

    def __init__(self, options, work, repository):
        self.options, self.work, self.repository = options, work, repository
        self.here = repository / "benches" / "load"
        self.file_system = system.file_system(work)
        self.server_core, self.load_core = system.cores(options.cores)
        self.both_cores = f"{self.server_core},{self.load_core}"
        (work / "logs").mkdir()
        self.children = procs.Children(work / "logs")
        self.counter = itertools.count()
        self.standing = None
        # Figures that no table shows, for the results' file.
        self.extra = {}

    def __enter__(self):
        try:
            server, helper = system.build(self.repository)
            self.programs = types.SimpleNamespace(server=server, helper=helper)
            self.machine = system.describe(self.repository, self.file_system)
            # Like the load, this process keeps off the server's core.
            os.sched_setaffinity(0, {int(self.load_core)})
            fixtures = self.repository / "core" / "tests" / "fixtures" / "office"
            large = 64 * MIB if self.options.quick else 1024 * MIB
            # Its size, for the table.
            self.large = "64 MiB" if self.options.quick else "1 GiB"
            print("making the payloads", flush=True)
            self.payloads = payloads.Payloads(self.work / "payloads", fixtures, large)
        except BaseException:
            self.children.stop()
            raise
        return self

    def __exit__(self, *_):
        self.children.stop()

    @property
    def rounds(self):
        return range(self.options.rounds)

    def fresh(self, name):
        """A new folder."""
        path = self.work / f"{next(self.counter)}-{name}"
        path.mkdir()
        return path

    def installation(self):
        """The data folder that reading is measured on, and its account: the large document, and
        as many small ones as make a listing full."""
        if self.standing is None:
            folder = self.fresh("standing") / "data"
            self.standing = folder, self.populate(folder, LISTED - 1, large=True)
        return self.standing

    def populate(self, data, small=0, large=False):
        """Makes two users and so many documents in a data folder, and returns their account."""
        server = servers.Consign(self, data, self.both_cores, 2)
        try:
            caller = client.Client(server.url)
            caller.register()
            account = client.Account(caller.login(client.OPERATOR), caller.login(client.RECEIVER))
            content = self.payloads.small.read_bytes()
            for n in range(small):
                account.small.append(caller.upload(account.operator, f"{n:03}.docx", content))
            caller.close()
            if large:
                measure.upload_form(self, server, account, self.both_cores)
                caller = client.Client(server.url)
                newest = caller.call("GET", "/files?limit=1", token=account.operator)["files"]
                account.large = newest[0]["id"]
                caller.close()
        finally:
            server.stop()
        return account
