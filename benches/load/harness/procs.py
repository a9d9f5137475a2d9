"""Child processes: each is pinned to cores, and none outlives the harness."""

import contextlib
import os
import re
import select
import signal
import subprocess
import time

from . import system
from .failure import Failure


class Child:
    """A running process and its log."""

    def __init__(self, name, popen, log):
        self.name = name
        self.popen = popen
        self.log = log

    @property
    def pid(self):
        return self.popen.pid

    def stop(self, patience=15):
        """Ends it, and everything it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.popen.poll() is None:
                _signal_group(self.pid, number)
                try:
                    self.popen.wait(patience)
                except subprocess.TimeoutExpired:
                    continue
        # What a leader that died of itself has left behind.
        _signal_group(self.pid, signal.SIGKILL)

    def complaint(self, what):
        """A failure that shows the end of its log."""
        with open(self.log, errors="replace") as log:
            said = log.read().strip()[-2000:]
        return Failure(f"{self.name} {what}" + (f": {said}" if said else ""))


class Children:
    """All that were started. Start them on the main thread: they are told of its death."""

    def __init__(self, logs):
        self.logs = logs
        self.all = []

    def start(self, name, argv, cores, env=None, cwd=None, announces=None, patience=600):
        """Starts a process; waits for the line on its output that matches `announces`, and
        returns the child and that line's first group."""
        log = self.logs / f"{len(self.all):04}-{name}.log"
        with open(log, "w") as errors:
            popen = subprocess.Popen(
                # A harness that is killed takes them with it.
                [system.tool("setpriv"), "--pdeathsig", "TERM",
                 system.tool("taskset"), "-c", cores, *map(str, argv)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                cwd=cwd or self.logs, env=_environment(env), start_new_session=True,
            )
        child = Child(name, popen, log)
        self.all.append(child)
        if announces is None:
            return child, None
        return child, _await_line(child, announces, patience)

    def run(self, name, argv, cores, patience=600):
        """Runs a program to its end and returns what it wrote."""
        child, _ = self.start(name, argv, cores)
        return self.finish(child, patience)

    def finish(self, child, patience=600):
        """Waits for a child's end and returns what it wrote."""
        try:
            written, _ = child.popen.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            child.stop()
            raise child.complaint(f"did not end within {patience} s") from None
        self.all.remove(child)
        if child.popen.returncode:
            said = written.decode(errors="replace").strip()[-500:]
            raise child.complaint(f"failed with status {child.popen.returncode} {said}".strip())
        return written.decode()

    def stop(self):
        """Ends them all, the last first."""
        while self.all:
            self.all.pop().stop()


def child_of(pid):
    """The first child of a process, such as nginx's worker; `None` before it has one."""
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return next(map(int, children.read().split()), None)


def _environment(more):
    """Nothing of ours sets what is measured."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("CONSIGN_")}
    return {**kept, "LC_ALL": "C", **(more or {})}


def _await_line(child, pattern, patience):
    descriptor, seen, end = child.popen.stdout.fileno(), b"", time.monotonic() + patience
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0, end - time.monotonic()))
        if not ready:
            raise child.complaint(f"said nothing like {pattern!r} within {patience} s")
        read = os.read(descriptor, 65536)
        if not read:
            raise child.complaint("ended")
        seen += read
        found = re.search(pattern, seen.decode())
        if found:
            return found[1]


def _signal_group(pid, number):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
