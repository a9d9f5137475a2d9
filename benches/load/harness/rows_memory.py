"""Resident memory (VmRSS): what the process has in memory, the pages of its program included."""

import time

from . import measure, servers
from .client import Client
from .outcome import MIB, Outcome

DOWNLOADS = 256


def memory(bench, series):
    """A fresh process each time; both cores. Peaks are those of samples, one each 10 ms."""
    idle, rise, large, small = [], [], [], []
    for _ in bench.rounds:
        at_rest, above, samples = _upload(bench)
        idle.append(at_rest)
        rise.append(above)
        series["memory"] = samples
        large.append(_downloads(bench, "large"))
        small.append(_downloads(bench, "small"))
    note = f"peak of VmRSS, sampled each {measure.Sampler.EVERY * 1000:.0f} ms"
    work = f"resident memory during {DOWNLOADS} downloads"
    return [
        Outcome("memory", "resident memory, idle", "MiB", idle, 12 * MIB, "<", note="VmRSS"),
        Outcome("memory", f"resident memory above idle, {bench.large} upload", "MiB", rise, 16 * MIB, "<",
                note=note),
        Outcome("memory", f"{work} of {bench.large}", "MiB", large, 64 * MIB, "<", note=note),
        Outcome("memory", f"{work} of 100 KB", "MiB", small, 64 * MIB, "<", note=note),
    ]


def _upload(bench):
    """Memory at rest, how much more an upload takes, and the samples, nginx's beside them."""
    data = bench.fresh("uploads") / "data"
    account = bench.populate(data)
    ours = servers.Consign(bench, data, bench.both_cores, 2)
    nginx = servers.Nginx(bench, bench.both_cores)
    at_rest = _at_rest(ours)
    with measure.Sampler(consign=ours.pid) as sampler:
        measure.upload_form(bench, ours, account, bench.both_cores)
    peak = sampler.peak("consign")
    ours.truncate_blobs()
    with measure.Sampler(nginx=nginx.pid) as other:
        url = f"{nginx.url}/dav/large.pptx"
        measure.upload(bench, url, bench.payloads.large, bench.both_cores)
    nginx.truncate_uploads()
    ours.stop()
    nginx.stop()
    samples = {
        "Consign": sampler.samples["consign"],
        "nginx dav PUT": other.samples["nginx"],
    }
    return at_rest, peak - at_rest, samples


def _at_rest(server):
    """After its first answer, when what starting took has been given back."""
    caller = Client(server.url)
    caller.call("GET", "/healthz")
    caller.close()
    time.sleep(1)
    return measure.resident(server.pid)


def _downloads(bench, which):
    """The peak while so many download, as fast as one core takes it."""
    data, account = bench.installation()
    ours = servers.Consign(bench, data, bench.both_cores, 2)
    file = account.large if which == "large" else account.small[0]
    caller = Client(ours.url)
    url = caller.link(account.receiver, file)
    caller.close()
    with measure.Sampler(consign=ours.pid) as sampler:
        measure.wrk(bench, url, DOWNLOADS)
    ours.stop()
    return sampler.peak("consign")
