"""One measurement each."""

import json
import os
import re
import statistics
import threading
import time

from . import payloads, system
from .failure import Failure, require

SCRIPT = "wrk/load.lua"


class Load:
    """What wrk says."""

    def __init__(self, said, what):
        lines = [line for line in said.splitlines() if line.startswith("{")]
        if not lines:
            raise Failure(f"wrk said nothing about {what}: {said}")
        figures = json.loads(lines[-1])
        failed = {kind: figures[kind] for kind in ("connect", "read", "write", "status", "timeout")}
        if any(failed.values()):
            raise Failure(f"{what}: of {figures['requests']} requests some failed: {failed}")
        self.what, self.requests, self.seconds = what, figures["requests"], figures["seconds"]
        self.p50, self.p99 = figures["p50"], figures["p99"]

    @property
    def rate(self):
        """Requests a second. There may be none where only their going on matters."""
        require(self.requests, f"{self.what}: no request was answered within {self.seconds:.0f} s")
        return self.requests / self.seconds


def start_wrk(bench, url, connections, *load, token=None, seconds=None, cores=None):
    """Starts a load, for `finish_wrk` to wait for."""
    header = ["-H", f"Authorization: Bearer {token}"] if token else []
    child, _ = bench.children.start(
        "wrk",
        [system.tool("wrk"), "-t1", f"-c{connections}", f"-d{seconds or bench.options.seconds}s",
         "--timeout", "60s", "-s", bench.here / SCRIPT, *header, url, "--", *(load or ["get"])],
        cores or bench.load_core,
    )
    return child, url


def finish_wrk(bench, started):
    child, url = started
    return Load(bench.children.finish(child), url)


def wrk(bench, url, connections, *load, **how):
    """Requests a second, over so many connections."""
    return finish_wrk(bench, start_wrk(bench, url, connections, *load, **how))


def download(bench, url, size, times, cores):
    """Bytes a second of one connection that downloads a file so many times."""
    said = bench.children.run(
        "curl",
        [system.tool("curl"), "-sS", "--fail", "-w", "%{size_download} %{time_total}\n",
         *["-o", "/dev/null", url] * times],
        cores,
    )
    taken = [line.split() for line in said.splitlines()]
    if [int(got) for got, _ in taken] != [size] * times:
        raise Failure(f"{url} came with other than {times} times {size} bytes: {said}")
    return size * times / sum(float(seconds) for _, seconds in taken)


def upload(bench, url, file, cores, *more):
    """Bytes a second of one upload, to the end of its answer."""
    said = bench.children.run(
        "curl",
        [system.tool("curl"), "-sS", "--fail-with-body", "-H", "Expect:", *more,
         "-w", "\n%{time_total}\n", "-T", file, url],
        cores,
    )
    return file.stat().st_size / float(said.split()[-1])


def upload_form(bench, server, account, cores):
    """The same of the large document's form."""
    return upload(
        bench, f"{server.url}/upload", bench.payloads.form, cores, "-X", "POST",
        "-H", f"Authorization: Bearer {account.operator}",
        "-H", f"Content-Type: {payloads.FORM_TYPE}",
    )


def dd(bench, cores):
    """Bytes a second of copying the large document and syncing the copy."""
    copy = bench.work / "dd.copy"
    child, _ = bench.children.start(
        "dd",
        [system.tool("dd"), f"if={bench.payloads.large}", f"of={copy}", "bs=1M", "conv=fsync"], cores,
    )
    bench.children.finish(child)
    said = child.log.read_text()
    os.truncate(copy, 0)
    found = re.search(r"(\d+) bytes.* copied, ([0-9.e-]+) s", said)
    if not found:
        raise Failure(f"dd said {said!r}")
    return int(found[1]) / float(found[2])


def processor_seconds(pid):
    """The processor time of a process and all its threads, those that ended too, to the
    nanosecond: its CPU clock (clock_getcpuclockid), finer than the ticks in /proc/PID/stat."""
    return time.clock_gettime((~pid << 3) | 2)


def resident(pid):
    """VmRSS, in bytes."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise Failure(f"process {pid} has ended")


class Sampler(threading.Thread):
    """Samples the resident memory of processes while something runs."""

    EVERY = 0.01

    def __init__(self, **pids):
        super().__init__(daemon=True)
        self.pids = pids
        self.samples = {name: [] for name in pids}
        self.ended = threading.Event()

    def run(self):
        begun = time.monotonic()
        while not self.ended.wait(self.EVERY):
            for name, pid in self.pids.items():
                try:
                    self.samples[name].append((time.monotonic() - begun, resident(pid)))
                except (OSError, Failure):
                    return

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()

    def peak(self, name):
        if not self.samples[name]:
            raise Failure(f"{name} ended before its memory was sampled")
        return max(size for _, size in self.samples[name])


def warm_memory(bench):
    """Writes and frees as much as a large upload takes, until that goes at memory speed: some
    machines hand idle memory back to their host, and the next to write pays for it."""
    path, block = bench.work / "warm", bytes(4 << 20)
    size = bench.payloads.large_size * 5 // 4
    rates = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(2 if bench.options.quick else 8):
            begun = time.monotonic()
            for _ in range(size // len(block)):
                file.write(block)
            rates.append(size / (time.monotonic() - begun))
            file.seek(0)
            file.truncate()
            # As fast as the best before it.
            if len(rates) > 1 and rates[-1] > 0.85 * max(rates[:-1]):
                break


def settle():
    """Lets what others left unwritten go to the disk, so that it is not paid for here."""
    os.sync()


def median(figures):
    return statistics.median(figures)
