#!/usr/bin/python3
"""`clickhouse-server`, out of ClickHouse's engine as a library: started on the server's configuration, told to listen."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

LISTEN = (
    "SYSTEM START LISTEN QUERIES ALL; SELECT sleepEachRow(3) FROM numbers(1000000000) "
    "SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0, log_queries = 0 FORMAT Null"
)
# Who the engine itself is, in place of the `default` that the modules remove: its session comes from the loopback, so
# that here, not with the real server, this user is let in from there.
ENGINE_USER = (
    f"<clickhouse><users><default><password_sha256_hex>{hashlib.sha256(b'').hexdigest()}</password_sha256_hex><networks><ip>127.0.0.1</ip></networks>"
    "<profile>default</profile><quota>default</quota></default></users></clickhouse>"
)


def configured(folder: Path) -> dict:
    """What the modules say; written as YAML that is JSON."""
    found: dict = {}
    for file in sorted(folder.glob("*.yaml")):
        found |= json.loads(file.read_text())
    return found


def xml(name: str, value: object) -> str:
    """ClickHouse's YAML as its XML, which is all that the engine reads: `@x` is an attribute, a list a repetition."""
    if isinstance(value, list):
        return "".join(xml(name, one) for one in value)
    if not isinstance(value, dict):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return f"<{name}>{escape(text)}</{name}>"
    attributes = "".join(
        f" {key[1:]}={quoteattr(str(one))}"
        for key, one in value.items()
        if key.startswith("@")
    )
    inside = "".join(
        xml(key, one) for key, one in value.items() if not key.startswith("@")
    )
    return f"<{name}{attributes}>{inside}</{name}>"


def laid_out(given: Path, folder: Path) -> Path:
    """The server's configuration as the engine reads it."""
    for kind in ("config", "users"):
        text = (
            (given.parent / f"{kind}.xml")
            .read_text()
            .replace(str(given.parent), str(folder))
        )
        merged = folder / f"{kind}.d"
        merged.mkdir(parents=True, exist_ok=True)
        (folder / f"{kind}.xml").write_text(text)
        (merged / "1-modules.xml").write_text(
            xml("clickhouse", configured(given.parent / f"{kind}.d"))
        )
    (folder / "users.d" / "2-engine.xml").write_text(ENGINE_USER)
    return folder / "config.xml"


def ready(host: str, port: int, server: subprocess.Popen) -> None:
    """Tells systemd, once the server answers."""
    while True:
        if server.poll() is not None:
            return
        try:
            urllib.request.urlopen(f"http://{host}:{port}/ping", timeout=5).read()
            break
        except OSError:
            time.sleep(0.1)
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect("\0" + path[1:] if path[0] == "@" else path)
            notify.send(b"READY=1")


def main() -> int:
    given = Path(
        next(
            word.split("=", 1)[1]
            for word in sys.argv[1:]
            if word.startswith("--config")
        )
    )
    config = laid_out(given, Path("/tmp/clickhouse"))
    engine = Path(__file__).resolve().parent.parent / "lib/engine"
    said = configured(given.parent / "config.d")
    port = int(said.get("http_port", 8123))
    hosts = said.get("listen_host", "127.0.0.1")
    hosts = [hosts] if isinstance(hosts, str) else hosts
    words = [
        engine / "clickhouse",
        f"--config-file={config}",
        "--path=/var/lib/clickhouse/data",
        f"--http_port={port}",
    ]
    words += [
        f"--tcp_port={said.get('tcp_port', 9000)}",
        f"--listen_host={hosts[-1]}",
        "--query",
        LISTEN,
    ]
    library = engine / "node_modules/@chdb/lib-linux-x64-gnu"
    # It leaves files where it stands.
    server = subprocess.Popen(
        words,
        env={**os.environ, "LD_LIBRARY_PATH": str(library)},
        cwd="/var/lib/clickhouse",
    )
    signal.signal(signal.SIGTERM, lambda _number, _frame: server.terminate())
    ready(hosts[-1], port, server)
    return server.wait()


if __name__ == "__main__":
    sys.exit(main())
