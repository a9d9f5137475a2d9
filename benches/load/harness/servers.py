"""The servers that are measured."""

import base64
import hashlib
import os
import socket
import time

from . import system
from .procs import child_of

SECRET = "benches"
LASTS = ["--access-lifetime", "7d", "--link-lifetime", "7d"]


class Consign:
    """The server of this repository, on one data folder."""

    def __init__(self, bench, data, cores, workers):
        self.child, self.url = bench.children.start(
            "consign",
            [bench.programs.server, "serve", "--data", data, "--listen", "127.0.0.1:0",
             "--rate-limits", "off", "--max-connections-per-address", "4096", "--log", "warn", *LASTS],
            cores, env={"TOKIO_WORKER_THREADS": str(workers)}, cwd=bench.work,
            announces=r"listening on (http://\S+)\n",
        )
        self.pid = self.child.pid
        self.data = data

    def stop(self):
        self.child.stop()

    def truncate_blobs(self):
        """Gives the room of all stored files back, without a name being removed."""
        truncate(self.data / "files" / "blobs")


class Hello:
    """The 5-byte hello world of warp."""

    def __init__(self, bench, cores, workers):
        self.child, self.url = bench.children.start(
            "hello", [bench.programs.helper, "hello"], cores,
            env={"TOKIO_WORKER_THREADS": str(workers)}, announces=r"listening on (http://\S+)\n",
        )

    def stop(self):
        self.child.stop()


class Nginx:
    """nginx with one worker: `secure_link` over the payloads, with and without sendfile, and dav."""

    def __init__(self, bench, cores):
        self.prefix = bench.fresh("nginx")
        for folder in ("dav", "body", "rest"):
            (self.prefix / folder).mkdir()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        config = self.prefix / "nginx.conf"
        config.write_text(CONFIG.format(
            user="user root;" if os.geteuid() == 0 else "", prefix=self.prefix, port=port,
            payloads=bench.payloads.folder, secret=SECRET,
        ))
        self.child, _ = bench.children.start(
            "nginx",
            [system.tool("nginx"), "-p", self.prefix, "-c", config, "-e", "stderr"],
            cores,
        )
        self.pid = self._await_worker(port)

    def link(self, name, sendfile="on"):
        """A signed link, as `Client.link` makes one."""
        path, expires = f"/sendfile-{sendfile}/{name}", int(time.time()) + 7 * 86400
        digest = hashlib.md5(f"{SECRET} {path} {expires}".encode()).digest()
        signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return f"{self.url}{path}?md5={signature}&expires={expires}"

    def stop(self):
        self.child.stop()

    def truncate_uploads(self):
        """As `Consign.truncate_blobs`."""
        truncate(self.prefix / "dav")

    def _await_worker(self, port):
        end = time.monotonic() + 15
        while self.child.popen.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                if worker := child_of(self.child.pid):
                    return worker
            except OSError:
                pass
            time.sleep(0.02)
        raise self.child.complaint("did not start")


def truncate(folder):
    """Empties every file below a folder. Unlinking thousands makes creating files slow for a
    long time on some file systems."""
    for path, _, names in os.walk(folder):
        for name in names:
            os.truncate(os.path.join(path, name), 0)


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


CONFIG = """\
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 8192;
pid {prefix}/pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    default_type application/octet-stream;
    access_log off;
    server_tokens off;
    tcp_nopush off;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/rest;
    fastcgi_temp_path {prefix}/rest;
    uwsgi_temp_path {prefix}/rest;
    scgi_temp_path {prefix}/rest;
    secure_link $arg_md5,$arg_expires;
    secure_link_md5 "{secret} $uri $arg_expires";
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location /sendfile-on/ {{
            sendfile on;
            if ($secure_link = "") {{ return 403; }}
            if ($secure_link = "0") {{ return 410; }}
            alias {payloads}/;
        }}
        location /sendfile-off/ {{
            sendfile off;
            if ($secure_link = "") {{ return 403; }}
            if ($secure_link = "0") {{ return 410; }}
            alias {payloads}/;
        }}
        location /dav/ {{
            root {prefix};
            dav_methods PUT;
            create_full_put_path on;
        }}
    }}
}}
"""
