"""The real servers, as the testkit fetched them, and Java to run them."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from base import cache

# Where the machines find them.
JAVA = "/opt/java"
SERVERS = "/opt/servers"


def installation(kind: str) -> Path:
    """A server's folder in the testkit's cache."""
    found = sorted((cache() / "servers").glob(f"{kind}-*"))
    if not found:
        sys.exit(
            f"{kind} is not there: goldrecord-testkit fetch gets it (./dev test does so too)"
        )
    return found[-1]


def java_home() -> Path:
    if home := os.environ.get("JAVA_HOME"):
        return Path(home).resolve()
    java = shutil.which("java")
    if not java:
        sys.exit("there is no Java: install openjdk-17-jre-headless, or set JAVA_HOME")
    return Path(java).resolve().parent.parent


def java_binds() -> dict[str, str]:
    """Java's folder, and that of its settings where Debian keeps them apart, pointed to from there."""
    home = java_home()
    settings = (home / "lib" / "jvm.cfg").resolve().parent
    apart = {} if settings.is_relative_to(home) else {str(settings): str(settings)}
    return {str(home): JAVA, **apart}


def binaries() -> Path:
    """Our own binaries, as ./dev builds them."""
    target = os.environ.get("CARGO_TARGET_DIR")
    folder = Path(target) / "demo" if target else cache() / "target" / "demo"
    if not (folder / "goldrecord").is_file():
        sys.exit(f"there are no binaries in {folder}: ./dev build")
    return folder


def certificate(name: str) -> tuple[str, str]:
    """A key and a certificate that it has signed itself, for a machine of that name."""
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "3650",
    ]
    words += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "key", Path(folder) / "certificate"]
        words += ["-keyout", str(files[0]), "-out", str(files[1])]
        subprocess.run(words, check=True, capture_output=True)
        return files[0].read_text(), files[1].read_text()


def maven(group: str, artifact: str, version: str) -> Path:
    """A jar of Maven Central, fetched once."""
    folder = cache() / "container" / "jars"
    jar = folder / f"{artifact}-{version}.jar"
    if not jar.is_file():
        print(f"fetching {jar.name}", file=sys.stderr)
        words = [
            "mvn",
            "--quiet",
            "--batch-mode",
            "dependency:copy",
            f"-Dartifact={group}:{artifact}:{version}",
            f"-DoutputDirectory={folder}",
        ]
        subprocess.run(words, check=True, cwd="/tmp")
    return jar
