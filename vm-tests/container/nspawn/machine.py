"""One machine: the whole of systemd as the first process of a container, on a disk of its own."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from .cgroups import Groups
from .network import Network
from .verbs import Verbs
from .waiting import RequestedAssertionFailed, retry

# What systemd in the container must be allowed to: its own filters and firewalls.
CALLS = "bpf add_key keyctl request_key"
CAPABILITIES = "CAP_BPF,CAP_NET_ADMIN,CAP_PERFMON"
PATH = "/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machine(Verbs):
    """A machine of a test. Its disk is an overlay over the base root, and outlives a crash."""

    def __init__(
        self,
        name: str,
        base: Path,
        state: Path,
        network: Network,
        memory_mib: int | None = None,
    ):
        self.name, self.base, self.network = name, base, network
        self.address = network.plug(name)
        self.dir = state / name
        for folder in ("upper", "work", "root"):
            (self.dir / folder).mkdir(parents=True)
        self.disk = self.dir / "upper"
        self.groups = Groups(network.prefix, name, memory_mib)
        self.binds: dict[str, str] = {}
        self.peers: list[Machine] = [self]
        self.process: subprocess.Popen | None = None
        self.leader = 0
        self.is_booted = False
        self.write("/etc/hostname", name + "\n")
        self.write("/etc/machine-id", uuid.uuid4().hex + "\n")

    def log(self, text: str) -> None:
        print(f"{self.name}: {text}", file=sys.stderr, flush=True)

    # --- the disk, while the machine is down --------------------------------------------------

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of the machine."""
        file = self.place(path)
        file.write_text(text)
        file.chmod(mode)

    def place(self, path: str) -> Path:
        """Where a file of the machine lies on this one, its folder made."""
        assert not self.is_up(), f"{self.name} is up: its disk is its own"
        file = self.disk / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def bind(self, here: Path | str, there: str) -> None:
        """Shows a file or folder of this machine in that one, read-only."""
        self.binds[str(here)] = there

    # --- power --------------------------------------------------------------------------------

    def is_up(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        if self.is_up():
            return
        self.is_booted, self.leader = False, 0
        if not (self.disk / "etc/hosts").is_symlink():
            # A configuration that brings its own names knows them better.
            hosts = "".join(f"{peer.address} {peer.name}\n" for peer in self.peers)
            self.write("/etc/hosts", f"127.0.0.1 localhost\n{hosts}")
        self.log("starting")
        joined = self.groups.make()
        quote = shlex.quote
        script = "set -e\n" + "".join(
            f"echo $$ > {quote(str(path / 'cgroup.procs'))}\n" for path in joined
        )
        layers = (
            f"lowerdir={self.base},upperdir={self.disk},workdir={self.dir / 'work'}"
        )
        script += f"mount -t overlay overlay -o {quote(layers)} {quote(str(self.dir / 'root'))}\n"
        script += f"exec {shlex.join(self._nspawn())}\n"
        environment = {
            **os.environ,
            "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE": "1",
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
        }
        with (self.dir / "console.log").open("ab") as console:
            self.process = subprocess.Popen(
                [
                    "unshare",
                    "--mount",
                    "--propagation",
                    "private",
                    "/bin/sh",
                    "-c",
                    script,
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self.started = time.monotonic()

    def _nspawn(self) -> list[str]:
        return [
            "systemd-nspawn",
            "--quiet",
            "--boot",
            f"--directory={self.dir / 'root'}",
            f"--machine={self.network.namespace(self.name)}",
            f"--hostname={self.name}",
            f"--network-namespace-path=/run/netns/{self.network.namespace(self.name)}",
            "--register=no",
            "--keep-unit",
            "--console=pipe",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--notify-ready=no",
            "--kill-signal=SIGRTMIN+4",
            f"--system-call-filter={CALLS}",
            f"--capability={CAPABILITIES}",
            *(f"--bind-ro={here}:{there}" for here, there in self.binds.items()),
        ]

    def connect(self, timeout: float = 120) -> None:
        """Waits until systemd answers."""
        if self.is_booted:
            return
        self._find_leader(timeout)
        ask = "test -S /run/dbus/system_bus_socket && systemctl is-active -q sysinit.target"
        retry(lambda _: self._run(ask, 10)[0] == 0, timeout, 0.1)
        self.is_booted = True
        self.log(f"connected after {time.monotonic() - self.started:.1f} s")

    def _find_leader(self, timeout: float) -> None:
        """The container's first process, as this machine numbers it."""
        process = self.process
        assert process, f"{self.name} was never started"

        def found(_last: bool) -> bool:
            if process.poll() is not None:
                raise RequestedAssertionFailed(
                    f"{self.name} ended on start: {self.console()[-2000:]}"
                )
            children = (
                Path(f"/proc/{process.pid}/task/{process.pid}/children")
                .read_text()
                .split()
            )
            for child in children:
                with contextlib.suppress(OSError):
                    status = Path(f"/proc/{child}/status").read_text()
                    program = str(Path(f"/proc/{child}/exe").readlink())
                    if re.search(r"^NSpid:.*\t1$", status, re.M) and program.endswith(
                        "systemd/systemd"
                    ):
                        self.leader = int(child)
                        return True
            return False

        retry(found, timeout, 0.05)

    def crash(self) -> None:
        """Every process of the machine dies at once; its disk stays."""
        if not self.is_up():
            return
        self.log("forced crash")
        self._find_leader(20)
        with contextlib.suppress(ProcessLookupError):
            # The kernel ends a namespace with its first process.
            os.kill(self.leader, signal.SIGKILL)
        self._reap(30)

    def shutdown(self, timeout: int = 180) -> None:
        if not self.is_up():
            return
        self.log("powering off")
        self._find_leader(20)
        os.kill(self.leader, signal.SIGRTMIN + 4)
        self._reap(timeout)

    def reboot(self) -> None:
        self.shutdown()
        self.start()

    def wait_for_shutdown(self, timeout: int = 900) -> None:
        self._reap(timeout)

    def _reap(self, timeout: float) -> None:
        assert self.process
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            raise RequestedAssertionFailed(
                f"{self.name} did not go down in {timeout} s"
            ) from None
        finally:
            self.is_booted, self.leader = False, 0
            self.groups.remove()

    def block(self) -> None:
        """Pulls the cable."""
        self.network.cable(self.name, "down")

    def unblock(self) -> None:
        self.network.cable(self.name, "up")

    # --- inside -------------------------------------------------------------------------------

    def enter(self, *namespaces: str) -> list[str]:
        return [
            "nsenter",
            "--target",
            str(self.leader),
            *namespaces,
            "--root",
            "--wd",
            "--",
        ]

    def _run(self, command: str, timeout: float | None) -> tuple[int, str]:
        """As the NixOS driver does: strict bash, only standard output comes back, 124 when it took too long."""
        inside = self.enter("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
        environment = [
            "/usr/bin/env",
            "-i",
            "HOME=/root",
            "USER=root",
            "LOGNAME=root",
            "TERM=dumb",
            "LANG=C.UTF-8",
            f"PATH={PATH}",
        ]
        words = ["/bin/bash", "-c", f"set -euo pipefail; {command}"]
        if timeout is not None:
            words = ["timeout", str(timeout), *words]
        with (self.dir / "stderr.log").open("ab") as errors:
            try:
                done = subprocess.run(
                    inside + environment + words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    timeout=None if timeout is None else timeout + 15,
                )
            except subprocess.TimeoutExpired:
                return 124, ""
        return done.returncode, done.stdout.decode(errors="replace")

    def console(self) -> str:
        log = self.dir / "console.log"
        return log.read_text(errors="replace") if log.exists() else ""
