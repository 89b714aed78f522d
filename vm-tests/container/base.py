"""The disk under every machine: a small Debian, made once with mmdebstrap."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# The release whose systemd is nearest to that of NixOS.
SUITE = "trixie"
# What NixOS has in its system path, and the libraries of our binaries.
PACKAGES = [
    "systemd",
    "systemd-sysv",
    "dbus",
    "iproute2",
    "iputils-ping",
    "curl",
    "ca-certificates",
    "procps",
    "util-linux",
    "netcat-openbsd",
    "nftables",
    "python3",
    "jq",
    "libssl3t64",
    "zlib1g",
]


def cache() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "goldrecord"


def base_root() -> Path:
    """The base root, made if it is not there yet."""
    root = cache() / "container" / f"base-{SUITE}"
    if root.is_dir():
        return root
    if not shutil.which("mmdebstrap"):
        sys.exit(
            f"{root} is not there and mmdebstrap is not installed: apt-get install mmdebstrap"
        )
    print(f"making {root} (a minute or two)", file=sys.stderr)
    root.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: it gets its name when it is done.
    unfinished = root.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    include = f"--include={','.join(PACKAGES)}"
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", include, SUITE, str(unfinished)],
        check=True,
    )
    return unfinished.rename(root)
