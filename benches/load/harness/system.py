"""The machine: what is installed on it, what it is, where files may lie."""

import importlib.util
import json
import os
import platform
import shutil
import subprocess

from .failure import Failure

# What is run, and the Debian package that has it.
TOOLS = {
    "nginx": "nginx",
    "wrk": "wrk",
    "curl": "curl",
    "dd": "coreutils",
    "taskset": "util-linux",
    "setpriv": "util-linux",
}
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

# File systems whose syncs cost nothing.
IN_MEMORY = {"tmpfs", "ramfs", "devtmpfs"}


def tool(name):
    """The path of a program that `install` has seen to."""
    path = shutil.which(name, path=PATH)
    if path is None:
        raise Failure(f"{name} is not there: install the Debian package {TOOLS.get(name, name)}")
    return path


def install():
    """Installs by apt-get what is missing, by name."""
    missing = {package for name, package in TOOLS.items() if not shutil.which(name, path=PATH)}
    if not importlib.util.find_spec("matplotlib"):
        missing.add("python3-matplotlib")
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise Failure(f"missing, and there is no apt-get to install them: {' '.join(sorted(missing))}")
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    print("installing", *sorted(missing), flush=True)
    for command in (["update"], ["install", "-y", "--no-install-recommends", *sorted(missing)]):
        done = subprocess.run(
            [*root, "apt-get", "-q", *command],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )
        if done.returncode:
            raise Failure(f"apt-get {' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


def build(repository):
    """Builds the server, as its users do, and the helper; returns the two programs' paths."""
    for arguments in ([], ["-p", "consign-benches", "--bin", "consign-load"]):
        print("cargo build --release --locked", *arguments, flush=True)
        done = subprocess.run(["cargo", "build", "--release", "--locked", *arguments], cwd=repository)
        if done.returncode:
            raise Failure("cargo build failed")
    target = subprocess.run(
        ["cargo", "metadata", "--format-version=1", "--no-deps", "--locked"],
        cwd=repository, capture_output=True, text=True, check=True,
    ).stdout
    programs = os.path.join(json.loads(target)["target_directory"], "release")
    return os.path.join(programs, "consign"), os.path.join(programs, "consign-load")


def file_system(path):
    """The type of the file system that holds `path`, which must be a real disk's."""
    kind = subprocess.run(
        ["stat", "-f", "-c", "%T", str(path)], capture_output=True, text=True, check=True
    ).stdout.strip()
    if kind in IN_MEMORY:
        raise Failure(f"{path} is on {kind}, where a sync costs nothing: name a disk with --work")
    return kind


def cores(wanted):
    """The server's core and the load's, as taskset names them."""
    there = sorted(os.sched_getaffinity(0))
    if wanted:
        named = [int(core) for core in wanted.split(",")]
        if len(named) != 2 or not set(named) <= set(there):
            raise Failure(f"--cores takes two of {there}")
        return str(named[0]), str(named[1])
    if len(there) < 2:
        raise Failure("this machine has one core; the server and the load need one each")
    return str(there[0]), str(there[1])


def describe(repository, work_file_system):
    """What the figures depend on."""

    def first_line(*command):
        done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
        return (done.stdout + done.stderr).strip().partition("\n")[0]

    with open("/proc/cpuinfo") as lines:
        models = {line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": ", ".join(sorted(models)) or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{memory:.0f} GiB",
        "file system": work_file_system,
        "kernel": platform.release(),
        "rustc": first_line("rustc", "--version").split()[1],
        "nginx": first_line(tool("nginx"), "-v").rpartition("/")[2],
        "wrk": first_line(tool("wrk"), "-v").split()[1],
        "curl": first_line(tool("curl"), "--version").split()[1],
        "commit": first_line("git", "rev-parse", "--short", "HEAD"),
        "load average": "{:.1f} {:.1f} {:.1f}".format(*os.getloadavg()),
    }
