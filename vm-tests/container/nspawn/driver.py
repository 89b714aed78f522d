"""The machines of a test, from the first to the last."""

import atexit
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .machine import Machine
from .network import Network
from .waiting import retry


class Driver:
    """Makes machines on one network over one base root, and leaves nothing behind."""

    def __init__(self, base: Path, keep: bool = False):
        prefix = f"gr{os.getpid()}"
        self.base, self.keep = base.resolve(), keep
        self.state = Path(tempfile.mkdtemp(prefix="goldrecord-machines-"))
        self.network = Network(prefix)
        self.machines: list[Machine] = []
        atexit.register(self.close)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda got, _frame: sys.exit(128 + got))

    def machine(self, name: str, memory_mib: int | None = None) -> Machine:
        machine = Machine(name, self.base, self.state, self.network, memory_mib)
        self.machines.append(machine)
        for one in self.machines:
            one.peers = self.machines
        return machine

    def start_all(self) -> None:
        for machine in self.machines:
            machine.start()

    @contextlib.contextmanager
    def subtest(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        print(f"subtest: {name}", file=sys.stderr, flush=True)
        yield
        print(
            f"(finished: subtest: {name}, in {time.monotonic() - begun:.2f} seconds)",
            file=sys.stderr,
            flush=True,
        )

    def run_script(self, text: str) -> None:
        """Runs a NixOS test's `config.testScriptString` as it stands."""
        names = {machine.name.replace("-", "_"): machine for machine in self.machines}
        names |= {
            "machines": self.machines,
            "start_all": self.start_all,
            "subtest": self.subtest,
            "retry": retry,
            "driver": self,
        }
        if len(self.machines) == 1:
            names["machine"] = self.machines[0]
        exec(compile(text, "testScript", "exec"), names)

    def explain(self, lines: int = 120) -> None:
        """What the machines say of themselves, after a failure."""
        ask = f"systemctl --failed --no-legend; journalctl -b --no-pager -n {lines}; journalctl -b --no-pager -n {lines} -u 'goldrecord*'"
        for machine in self.machines:
            if machine.is_up() and machine.leader:
                print(
                    f"--- {machine.name}\n{machine._run(ask, 30)[1]}", file=sys.stderr
                )

    def close(self) -> None:
        atexit.unregister(self.close)
        for machine in self.machines:
            with contextlib.suppress(Exception):
                machine.crash()
        self.network.close()
        if self.keep:
            print(f"the machines' disks are kept in {self.state}", file=sys.stderr)
        else:
            shutil.rmtree(self.state, ignore_errors=True)
