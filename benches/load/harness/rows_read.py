"""Downloads, beside nginx."""

from . import measure, servers
from .client import Client
from .measure import median, wrk
from .outcome import Outcome

CONNECTIONS = (1, 16, 64, 256)
DUEL_CONNECTIONS = 16


class Pair:
    """Both servers on one core with one worker each, and links to the same bytes."""

    def __init__(self, bench):
        data, account = bench.installation()
        self.ours = servers.Consign(bench, data, bench.server_core, 1)
        self.nginx = servers.Nginx(bench, bench.server_core)
        caller = Client(self.ours.url)
        self.small = caller.link(account.receiver, account.small[0])
        self.large = caller.link(account.receiver, account.large)
        caller.close()
        self.nginx_small = self.nginx.link(bench.payloads.small.name)

    def stop(self):
        self.ours.stop()
        self.nginx.stop()


def download_100k(bench, series):
    """One core for the server, the other for the load."""
    pair, outcomes = Pair(bench), []
    plotted = series.setdefault("throughput", {"nginx secure_link, sendfile": [], "Consign": []})
    for connections in CONNECTIONS:
        for url in (pair.nginx_small, pair.small):
            wrk(bench, url, connections, seconds=1)
        ours, against = [], []
        for _ in bench.rounds:
            against.append(wrk(bench, pair.nginx_small, connections).rate)
            ours.append(wrk(bench, pair.small, connections).rate)
        outcomes.append(Outcome(
            "download-100k", f"100 KB download, {connections} connection{'s' * (connections > 1)}",
            "/s", ours, 1.0, ">=", "nginx secure_link, sendfile", against,
        ))
        plotted["nginx secure_link, sendfile"].append((connections, median(against)))
        plotted["Consign"].append((connections, median(ours)))
    pair.stop()
    return outcomes


def duel(bench, _):
    """Both under load at once on one core: whatever disturbs one disturbs the other. What is
    compared is the processor time of a request."""
    pair = Pair(bench)
    nginx, consign = (pair.nginx.pid, pair.nginx_small), (pair.ours.pid, pair.small)
    for _, url in (nginx, consign):
        wrk(bench, url, DUEL_CONNECTIONS, seconds=1)
    ours, against = [], []
    # Rounds are short and many, so that both meet the same disturbances.
    for number in range(3 * bench.options.rounds):
        contestants = [nginx, consign] if number % 2 else [consign, nginx]
        before = [measure.processor_seconds(pid) for pid, _ in contestants]
        loads = [
            measure.start_wrk(bench, url, DUEL_CONNECTIONS, seconds=1) for _, url in contestants
        ]
        done = [measure.finish_wrk(bench, load) for load in loads]
        costs = {
            pid: (measure.processor_seconds(pid) - begun) / (load.rate * load.seconds) * 1e6
            for (pid, _), begun, load in zip(contestants, before, done, strict=True)
        }
        against.append(costs[nginx[0]])
        ours.append(costs[consign[0]])
    pair.stop()
    return [Outcome(
        "duel", "processor time of a 100 KB download, both servers under load at once",
        "us", ours, None, "<=", "nginx secure_link, sendfile", against,
        "a duel: below 1.00 Consign is the cheaper",
    )]


def download_1g(bench, _):
    """One connection. The anchor is whichever of sendfile on and off is the better here."""
    pair = Pair(bench)
    size, times = bench.payloads.large_size, 1 if bench.options.quick else 3
    name = bench.payloads.large.name
    urls = {
        "nginx, sendfile on": pair.nginx.link(name, "on"),
        "nginx, sendfile off": pair.nginx.link(name, "off"),
        "consign": pair.large,
    }
    rates = {target: [] for target in urls}
    for url in urls.values():
        measure.download(bench, url, size, 1, bench.load_core)
    for _ in bench.rounds:
        for target, url in urls.items():
            rates[target].append(measure.download(bench, url, size, times, bench.load_core))
    pair.stop()
    ours = rates.pop("consign")
    better = max(rates, key=lambda target: median(rates[target]))
    (other,) = set(rates) - {better}
    work = f"{bench.large} download, one connection"
    return [
        Outcome("download-1g", work, "MB/s", ours, 1.25, ">=",
                f"{better} (the better)", rates[better]),
        Outcome("download-1g", work, "MB/s", ours, None, ">=",
                other, rates[other]),
    ]
