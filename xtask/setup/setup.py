#!/usr/bin/env python3
"""Builds what a make target needs, with one line of progress in place of hundreds of lines of output.

    xtask/setup/setup.py TARGET...

Each TARGET is one of `PARTS`, made by make. Those of Go are built one after the other, beside those of Rust. All that
they print is in a log each, below target/logs; of one that fails the last lines are shown, and its exit code is ours.
On a terminal the line is drawn anew; elsewhere there is a line twice a minute.

Nothing but Python's own library: this runs before anything is built.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time

WORKSPACE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# As the Makefile names it, and where it is.
TARGET_NAME = os.environ.get("CARGO_TARGET_DIR") or "target"
TARGET = os.path.join(WORKSPACE, TARGET_NAME)
LOGS = os.path.join(TARGET, "logs")

PLAIN_EVERY = 30.0
DRAWN_EVERY = 0.5
LAST_LINES = 30


class Part:
    """Something that make builds.

    cost: about how many seconds of one core a first build takes; only their relation matters once it runs.
    last: the share of it that the last crates take, which are few and long: linking, with optimisation.
    """

    def __init__(self, target, name, lane, cost, last=0.0):
        self.target, self.name, self.lane, self.cost, self.last = target, name, lane, cost, last
        self.log = os.path.join(LOGS, os.path.basename(target) + ".log")
        self.done, self.total, self.unit = 0, 0, "packages" if lane == "go" else "crates"
        self.begun = None
        self.ended = False
        self.fetched = 0
        self.at_first = None

    def share(self):
        """How much of it is done, from 0 to 1."""
        if self.ended:
            return 1.0
        if not self.total:
            return 0.0
        return min(self.done / self.total, 1.0) * (1.0 - self.last)

    def read(self, line):
        """Takes a line of the build's output. Tells whether it belongs into the log."""
        found = CARGO_PROGRESS.search(line)
        if found:
            self.done, self.total = int(found.group(1)), int(found.group(2))
            return False
        if CARGO_BAR.match(line):
            return False
        found = GO_TOTAL.match(line)
        if found:
            self.total = int(found.group(1))
        elif GO_PACKAGE.match(line):
            self.done += 1
        elif FETCHED.match(line):
            self.fetched += 1
        return True

    def text(self):
        """What the line says of it."""
        if self.ended or self.begun is None:
            return ""
        if self.total:
            return f"{self.name} {min(self.done, self.total)}/{self.total} {self.unit}"
        if self.fetched:
            return f"{self.name}: {self.fetched} downloaded"
        return f"{self.name}: looking what there is"


# `Building [=====>     ] 12/340: tokio, hyper`, drawn over and over.
CARGO_PROGRESS = re.compile(r"^\s*Building \[[^\]]*\] (\d+)/(\d+)")
CARGO_BAR = re.compile(r"^\s*(Building|Fetch|Updating|Downloading) (\[|\d+ crate)")
# What the scripts around `go build -v` say before it, which then names each package that it has compiled.
GO_TOTAL = re.compile(r"^packages: (\d+)$")
GO_PACKAGE = re.compile(r"^[a-z0-9][A-Za-z0-9._~-]*(/[A-Za-z0-9._~-]+)*$")
FETCHED = re.compile(r"^(go: downloading |\s*Downloaded )")


def parts():
    """All that can be asked for, by its target."""
    known = [
        Part("programs", "operator and demo", "rust", 330),
        Part("release", "release build", "rust", 700, last=0.55),
        Part("release-without-operator", "release build", "rust", 300, last=0.3),
        Part("release-operator", "operator, optimised", "rust", 450, last=0.45),
        Part("tests", "tests", "rust", 520, last=0.2),
        Part(os.path.join(TARGET_NAME, "control-plane/control-plane"), "Kubernetes", "go", 640),
        Part(os.path.join(TARGET_NAME, "tools/promtool"), "promtool", "go", 200),
        Part(os.path.join(TARGET_NAME, "tools/helm"), "Helm", "go", 180),
        Part(os.path.join(TARGET_NAME, "tools/helm3"), "Helm 3", "go", 90),
        Part(os.path.join(TARGET_NAME, "tools/oci-image"), "image builder", "go", 40),
        Part(os.path.join(TARGET_NAME, "gitops/git-server"), "git server", "go", 5),
        Part(os.path.join(TARGET_NAME, "gitops/kustomize-controller"), "Flux (1 of 3)", "go", 290),
        Part(os.path.join(TARGET_NAME, "gitops/source-controller"), "Flux (2 of 3)", "go", 110),
        Part(os.path.join(TARGET_NAME, "gitops/helm-controller"), "Flux (3 of 3)", "go", 15),
        Part(os.path.join(TARGET_NAME, "gitops/argocd"), "Argo CD", "go", 410),
        Part(os.path.join(TARGET_NAME, "gitops/kustomize"), "Kustomize", "go", 20),
        Part(os.path.join(TARGET_NAME, "gitops/redis"), "Redis", "go", 5),
    ]
    return {it.target: it for it in known}


def tool(target):
    """A tool that cargo installs under a path with its version, such as tools/cargo-deny-1.2.3/bin/cargo-deny."""
    return Part(target, os.path.basename(target), "rust", 220, last=0.1) if "/tools/cargo-" in target else None


def minutes(seconds):
    """A span as people say it."""
    if seconds < 50:
        return "less than a minute"
    rounded = max(1, round(seconds / 60))
    return "1 minute" if rounded == 1 else f"{rounded} minutes"


def about(seconds):
    """The same, as a guess."""
    return minutes(seconds) if seconds < 50 else "about " + minutes(seconds)


def span(seconds):
    """A span to the second."""
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def is_fresh(part):
    """Whether make has nothing to do for a file. Of a build of the workspace only cargo knows."""
    if os.sep not in part.target:
        return False
    asked = subprocess.run(
        ["make", "--question", part.target],
        cwd=WORKSPACE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )
    return asked.returncode == 0


def cargo_home():
    """Where cargo keeps what it downloaded."""
    return os.environ.get("CARGO_HOME") or os.path.expanduser("~/.cargo")


def crates():
    """How many crates Cargo.lock names, and how many of them were downloaded before."""
    with open(os.path.join(WORKSPACE, "Cargo.lock"), encoding="utf-8") as file:
        named = re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"\nsource = ', file.read())
    there = set()
    cache = os.path.join(cargo_home(), "registry", "cache")
    for directory in os.listdir(cache) if os.path.isdir(cache) else []:
        there.update(os.listdir(os.path.join(cache, directory)))
    return len(named), sum(f"{name}-{version}.crate" in there for name, version in named)


def compiled(profile):
    """Whether cargo has built in this profile before."""
    return os.path.isdir(os.path.join(TARGET, profile, ".fingerprint"))


def expectation(stale, fresh):
    """What it will take, in words, before it begins."""
    if not stale:
        return None
    said = []
    rust = [it for it in stale if it.lane == "rust"]
    warm = [it for it in rust if os.sep not in it.target and compiled("release" if it.target.startswith("release") else "debug")]
    cold = [it for it in stale if it not in warm]
    cores = os.cpu_count() or 1
    # More cores than eight have little to do while the longest ones compile.
    seconds = sum(it.cost for it in cold) / min(cores, 8) + sum(10 for _ in warm)
    names = ", ".join(it.name for it in cold)
    if cold:
        said.append(f"Building from source, once: {names}. From nothing that takes about "
                    f"{minutes(seconds)} on {cores} {'core' if cores == 1 else 'cores'}, with a fast way to the registries.")
    named, there = crates()
    if rust and there < named:
        said.append(f"Of {named} crates {named - there} are still to be downloaded.")
    already = [it.name for it in fresh + warm]
    if already and cold:
        said.append(f"There already, and only brought up to date: {', '.join(already)}.")
    if cold:
        said.append(f"The whole output is in {os.path.relpath(LOGS, os.getcwd())}.")
    return "\n".join(said) or None


class Setup:
    """The parts on their way."""

    def __init__(self, asked):
        self.asked = asked
        self.running = {}
        self.failed = None
        self.lock = threading.Lock()

    def lane(self, waiting):
        """Builds the parts of a lane, one after the other."""
        for part in waiting:
            if self.failed:
                return
            status = self.build(part)
            if status:
                with self.lock:
                    self.failed = self.failed or (part, status)
                return
            part.ended = True

    def build(self, part):
        """Builds one of them. Gives make's exit status."""
        # Drawn bars alone tell how many crates there are; without them cargo says so nowhere.
        environment = dict(
            os.environ, CARGO_TERM_PROGRESS_WHEN="always", CARGO_TERM_PROGRESS_WIDTH="120", CARGO_TERM_COLOR="never",
        )
        # The make that called us is not to share its jobs: it waits for us.
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
            environment.pop(name, None)
        with open(part.log, "w", encoding="utf-8") as log:
            process = subprocess.Popen(
                ["make", "--no-print-directory", part.target], cwd=WORKSPACE, env=environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            )
            with self.lock:
                self.running[part] = process
            part.begun = time.monotonic()
            for line in lines(process.stdout):
                if part.read(line):
                    print(line, file=log, flush=True)
                if part.at_first is None and part.total:
                    part.at_first = (time.monotonic(), part.share())
            status = process.wait()
        with self.lock:
            del self.running[part]
        return status

    def stop(self):
        """Ends what runs, with all that it started."""
        with self.lock:
            for process in self.running.values():
                try:
                    os.killpg(process.pid, signal.SIGTERM)
                except ProcessLookupError:
                    pass

    def left(self):
        """Seconds until the end, by how fast it went so far."""
        remaining = sum(it.cost * (1 - it.share()) for it in self.asked)
        cores = min(os.cpu_count() or 1, 8)
        spent = gained = 0.0
        for part in self.asked:
            # What was there before came at once, and tells of no pace.
            if part.at_first:
                spent = max(spent, time.monotonic() - part.at_first[0])
                gained += part.cost * (part.share() - part.at_first[1])
        # By the costs at the beginning, ever more by what is seen.
        weight = 20.0 * cores
        pace = (gained + weight) / (spent + weight / cores)
        return remaining / max(pace, 0.01)

    def text(self):
        """The line."""
        cost = sum(it.cost for it in self.asked) or 1
        share = sum(it.cost * it.share() for it in self.asked) / cost
        what = " · ".join(filter(None, (it.text() for it in self.asked)))
        return f"{share:4.0%}, {about(self.left())} left: {what}"


def lines(stream):
    """The lines of a build's output; a carriage return ends one, too."""
    rest = b""
    while True:
        chunk = stream.read1(65536)
        if not chunk:
            break
        *whole, rest = re.split(rb"[\r\n]", rest + chunk)
        yield from (it.decode(errors="replace") for it in whole if it.strip())
    if rest.strip():
        yield rest.decode(errors="replace")


def width():
    """Columns of the terminal."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except OSError:
        return 80


def watch(setup, threads):
    """Says how it goes until the threads end."""
    drawn = sys.stdout.isatty()
    said = time.monotonic()
    unsaid = list(setup.asked)
    while any(it.is_alive() for it in threads):
        for thread in threads:
            thread.join(DRAWN_EVERY / len(threads))
        if setup.failed:
            setup.stop()
            continue
        for part in [it for it in unsaid if it.ended]:
            unsaid.remove(part)
            print(("\r\x1b[K" if drawn else "") + f"{part.name}: {span(time.monotonic() - part.begun)}", flush=True)
        if drawn:
            print("\r" + setup.text()[: width() - 1] + "\x1b[K", end="", flush=True)
        elif time.monotonic() - said >= PLAIN_EVERY:
            said = time.monotonic()
            print(setup.text(), flush=True)
    if drawn:
        print("\r\x1b[K", end="", flush=True)
    for part in [it for it in unsaid if it.ended and not setup.failed]:
        print(f"{part.name}: {span(time.monotonic() - part.begun)}", flush=True)


def report(part, status):
    """What failed, the end of what it said, and where the rest is."""
    with open(part.log, encoding="utf-8", errors="replace") as file:
        last = file.read().splitlines()[-LAST_LINES:]
    path = os.path.relpath(part.log, os.getcwd())
    print(f"{part.name} failed with exit code {status}. The last lines of {path}:\n", file=sys.stderr)
    print("\n".join("  " + it for it in last), file=sys.stderr)


def interrupted(_signal, _frame):
    """Ctrl-C and SIGTERM."""
    raise KeyboardInterrupt


def main(names):
    """Builds the parts of these names. Gives the exit code."""
    known = parts()
    known.update((it, tool(it)) for it in names if it not in known and tool(it))
    unknown = [it for it in names if it not in known]
    if unknown or not names:
        print(f"unknown: {', '.join(unknown)}. There are: {', '.join(known)}", file=sys.stderr)
        return 2
    os.makedirs(LOGS, exist_ok=True)
    asked = [known[it] for it in dict.fromkeys(names)]
    fresh = [it for it in asked if is_fresh(it)]
    stale = [it for it in asked if it not in fresh]
    said = expectation(stale, fresh)
    if said:
        print(said, flush=True)
    setup = Setup(stale)
    signal.signal(signal.SIGTERM, interrupted)
    threads = [
        threading.Thread(target=setup.lane, args=([it for it in stale if it.lane == lane],), daemon=True)
        for lane in ("go", "rust")
    ]
    try:
        for thread in threads:
            thread.start()
        watch(setup, threads)
    except KeyboardInterrupt:
        setup.stop()
        print(f"\nstopped; what is built already is kept. Logs: {os.path.relpath(LOGS, os.getcwd())}", file=sys.stderr)
        return 130
    if setup.failed:
        report(*setup.failed)
        return setup.failed[1]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
