"""The calls that move no file: links, listings, tokens, logins."""

import json
import threading
import time

from . import measure, servers
from .client import OPERATOR, PASSWORD, Client
from .failure import Failure, require
from .measure import wrk
from .outcome import Outcome

# What the Flask original made of links a second, at 16 connections, and what two anchors did in the
# same run; it is no part of this repository.
FLASK_LINKS, FLASK_HELLO, FLASK_NGINX = 937, 132_017, 33_655

# A storm of logins: fewer than the server lets wait, so that none is turned away.
STORM = 32


def link(bench, _):
    """Links made, beside what the Flask original would make here by two anchors of its run."""
    data, account = bench.installation()
    ours = servers.Consign(bench, data, bench.server_core, 1)
    hello = servers.Hello(bench, bench.server_core, 1)
    nginx = servers.Nginx(bench, bench.server_core)
    made = f"{ours.url}/generate_download_url/{account.small[0]}"
    file = nginx.link(bench.payloads.small.name)
    rates = {"links": [], "hello": [], "nginx": []}
    for _ in bench.rounds:
        rates["hello"].append(wrk(bench, hello.url, 16).rate)
        rates["links"].append(wrk(bench, made, 16, token=account.receiver).rate)
        rates["nginx"].append(wrk(bench, file, 16).rate)
    for server in (ours, hello, nginx):
        server.stop()
    # Of the two the one that favours Flask.
    by_hello = [rate * FLASK_LINKS / FLASK_HELLO for rate in rates["hello"]]
    by_nginx = [rate * FLASK_LINKS / FLASK_NGINX for rate in rates["nginx"]]
    bench.extra["link"] = {**rates, "flask by hello": by_hello, "flask by nginx": by_nginx}
    flask = [max(pair) for pair in zip(by_hello, by_nginx, strict=True)]
    note = (
        f"not run: {FLASK_LINKS}/s, recorded beside {FLASK_HELLO:,}/s of hello world and "
        f"{FLASK_NGINX:,}/s of nginx at 100 KB, scaled by whichever makes it faster here"
    )
    return [
        Outcome("link", "link made, 16 connections", "/s", rates["links"], 50.0, ">=",
                "the Flask original", flask, note),
        Outcome("link", "link made, 16 connections", "/s", rates["links"], None, ">=",
                "warp's hello world", rates["hello"]),
    ]


def listing(bench, _):
    """A hundred files, all that there are."""
    data, account = bench.installation()
    ours = servers.Consign(bench, data, bench.server_core, 1)
    hello = servers.Hello(bench, bench.server_core, 1)
    caller = Client(ours.url)
    count = len(caller.call("GET", "/files", token=account.receiver)["files"])
    caller.close()
    require(count == 100, f"the listing has {count} files, not 100")
    listed, against = [], []
    for _ in bench.rounds:
        against.append(wrk(bench, hello.url, 16).rate)
        listed.append(wrk(bench, f"{ours.url}/files", 16, token=account.receiver).rate)
    ours.stop()
    hello.stop()
    return [Outcome("listing", "listing of 100 files, 16 connections", "/s", listed, 0.1, ">=",
                    "warp's hello world (5 bytes)", against)]


def tokens(bench, _):
    """In process."""
    said = bench.children.run(
        "tokens",
        [bench.programs.helper, "tokens", bench.options.rounds, 50 if bench.options.quick else 300],
        bench.server_core,
    )
    rounds = [json.loads(line) for line in said.splitlines()]
    outcomes = []
    for purpose in ("access", "download"):
        for call in ("sign", "verify"):
            pairs = [each[call] for each in rounds if each["purpose"] == purpose]
            outcomes.append(Outcome(
                "tokens", f"token {call}, {purpose}", "ns", [pair[0] for pair in pairs], 1.3, "<=",
                "jsonwebtoken called directly", [pair[1] for pair in pairs],
            ))
    return outcomes


def logins(bench, _):
    """One core, two at once, so that the hasher never waits for a request."""
    data, _ = bench.installation()
    ours = servers.Consign(bench, data, bench.server_core, 1)
    count = 4 if bench.options.quick else 24
    rates, against = [], []
    for _ in bench.rounds:
        said = bench.children.run(
            "scrypt", [bench.programs.helper, "scrypt", count], bench.server_core
        )
        against.append(json.loads(said)["hashes_per_second"])
        rates.append(_login_rate(ours.url, count))
    ours.stop()
    return [Outcome("logins", "logins, one core", "/s", rates, 0.95, ">=",
                    "the scrypt crate alone, on the same core", against)]


def _login_rate(url, count):
    """Logins a second while two are always under way."""
    ends, failures = [], []

    def sign_in():
        try:
            caller = Client(url)
            while len(ends) <= count:
                caller.login(OPERATOR)
                ends.append(time.monotonic())
        except (Failure, OSError) as failure:
            failures.append(failure)

    both = [threading.Thread(target=sign_in, daemon=True) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    if failures:
        raise Failure(f"a login failed: {failures[0]}")
    # From one end to another: as many full turns of the hasher lie between them.
    return count / (ends[count] - ends[0])


def storm(bench, _):
    """Downloads over one connection, without and with logins that come faster than they are
    answered. Both cores for the server: it keeps hashing off one of them."""
    data, account = bench.installation()
    ours = servers.Consign(bench, data, bench.both_cores, 2)
    caller = Client(ours.url)
    url = caller.link(account.receiver, account.small[0])
    caller.close()
    login = json.dumps({"username": OPERATOR, "password": PASSWORD})
    seconds, quiet, stormy, answered = bench.options.seconds, [], [], []
    for _ in bench.rounds:
        quiet.append(wrk(bench, url, 1, cores=bench.both_cores).p99 / 1e3)
        raging = measure.start_wrk(
            bench, f"{ours.url}/login", STORM, "json", login, seconds=seconds + 3,
            cores=bench.both_cores,
        )
        # The first of them are being hashed by then.
        time.sleep(1)
        stormy.append(wrk(bench, url, 1, cores=bench.both_cores).p99 / 1e3)
        answered.append(measure.finish_wrk(bench, raging).rate)
        # Those that still waited are gone with their connections; one may be running.
        time.sleep(1)
    ours.stop()
    bench.extra["storm"] = {"logins_per_second": answered}
    return [Outcome("storm", "p99 of 100 KB downloads during a storm of logins, one connection",
                    "ms", stormy, 2.0, "<", "its p99 without", quiet)]
