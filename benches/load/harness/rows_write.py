"""Uploads, beside nginx and the disk."""

import itertools

from . import measure, servers
from .client import Client
from .failure import require
from .measure import wrk
from .outcome import Outcome

# The Flask original's 100 KB uploads beside nginx dav's, at 16 connections, recorded in a run with
# both; it is no part of this repository.
FLASK_UPLOADS = 0.09


def upload_1g(bench, _):
    """Both cores for either side. Consign hashes, looks inside and syncs before it answers; nginx
    does none of it; dd syncs."""
    data = bench.fresh("uploads") / "data"
    account = bench.populate(data)
    ours = servers.Consign(bench, data, bench.both_cores, 2)
    nginx = servers.Nginx(bench, bench.both_cores)
    names = itertools.count()

    def dd():
        return measure.dd(bench, bench.both_cores)

    def put():
        url = f"{nginx.url}/dav/large-{next(names)}.pptx"
        rate = measure.upload(bench, url, bench.payloads.large, bench.both_cores)
        nginx.truncate_uploads()
        return rate

    def form():
        rate = measure.upload_form(bench, ours, account, bench.both_cores)
        caller = Client(ours.url)
        newest = caller.call("GET", "/files?limit=1", token=account.operator)["files"][0]
        caller.close()
        require(newest["size"] == bench.payloads.large_size, "an upload was cut short")
        ours.truncate_blobs()
        return rate

    rates = {dd: [], put: [], form: []}
    for _ in bench.rounds:
        for way in rates:
            measure.settle()
            measure.warm_memory(bench)
            rates[way].append(way())
    ours.stop()
    nginx.stop()
    work = f"{bench.large} multipart upload, both cores"
    return [
        Outcome("upload-1g", work, "MB/s", rates[form], 1.6, ">=",
                "nginx dav PUT (neither hashes nor syncs)", rates[put]),
        Outcome("upload-1g", work, "MB/s", rates[form], 0.75, ">=", "dd conv=fsync", rates[dd]),
    ]


def upload_100k(bench, _):
    """One core for the server, the other for the load."""
    data = bench.fresh("uploads") / "data"
    account = bench.populate(data)
    ours = servers.Consign(bench, data, bench.server_core, 1)
    nginx = servers.Nginx(bench, bench.server_core)
    small, folders = bench.payloads.small, itertools.count()

    def put():
        name = f"/dav/{next(folders)}/"
        rate = wrk(bench, f"{nginx.url}/", 16, "put", small, name).rate
        nginx.truncate_uploads()
        return rate

    def form():
        load = wrk(bench, f"{ours.url}/upload", 16, "form", small, "report.docx",
                   token=account.operator)
        ours.truncate_blobs()
        return load.rate

    rates = {put: [], form: []}
    for _ in bench.rounds:
        for way in rates:
            measure.settle()
            measure.warm_memory(bench)
            rates[way].append(way())
    ours.stop()
    nginx.stop()
    work = "100 KB uploads, synced before the answer, 16 connections"
    flask = [FLASK_UPLOADS * rate for rate in rates[put]]
    return [
        Outcome("upload-100k", work, "/s", rates[form], 0.5, ">=", "nginx dav PUT (unsynced)",
                rates[put]),
        Outcome("upload-100k", work, "/s", rates[form], 5.0, ">=", "the Flask original", flask,
                f"not run: {FLASK_UPLOADS} of nginx dav, as recorded"),
    ]
