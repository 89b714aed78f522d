"""A process from its start to its end: how long, and with how much memory."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

# How often the memory of a process and its children is looked at.
INTERVAL = 0.2


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def held(pid):
    """Bytes that a process and all it has started hold: a JVM is a child of the Python that uses it."""
    folder = Path(f"/proc/{pid}")
    try:
        pages = int((folder / "statm").read_text().split()[1])
        children = [
            int(child)
            for task in (folder / "task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        # It ended meanwhile.
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(map(held, children))


def most_held(pid, ended):
    """The most that was seen, in a list that is complete once `ended` is set and the thread is joined."""
    most = [0]

    def watch():
        while not ended.wait(INTERVAL):
            most[0] = max(most[0], held(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    return thread, most


def measured(command, log=None, **options):
    """Seconds, the most memory in MiB, and what was written to standard error. `log` takes standard output."""
    started = time.monotonic()
    output = log.open("w") if log else subprocess.DEVNULL
    process = subprocess.Popen(
        [str(word) for word in command],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    ended = threading.Event()
    thread, most = most_held(process.pid, ended)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    ended.set()
    thread.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        more = f"; see {log}" if log else ""
        sys.exit(f"bench: {command[0]} failed{more}:\n{errors[-4000:]}")
    return seconds, max(usage.ru_maxrss / 1024, most[0] / 2**20), errors
