"""The verbs of the NixOS test driver that the scenarios use, over one way to run a command."""

import re
import shlex
import subprocess
from pathlib import Path

from .waiting import RequestedAssertionFailed, retry


class Verbs:
    """What a test says to a machine."""

    name: str

    def execute(
        self,
        command: str,
        check_return: bool = True,
        check_output: bool = True,
        timeout: int | None = 900,
    ) -> tuple[int, str]:
        """Exit code and standard output."""
        self.start()
        self.connect()
        code, output = self._run(command, timeout)
        return (code if check_return else -1), output

    def succeed(self, *commands: str, timeout: int | None = None) -> str:
        output = ""
        for command in commands:
            self.log(f"must succeed: {command}")
            code, said = self.execute(command, timeout=timeout)
            if code != 0:
                raise RequestedAssertionFailed(
                    f"command `{command}` failed (exit code {code}), output:\n{said}"
                )
            output += said
        return output

    def fail(self, *commands: str, timeout: int | None = None) -> str:
        output = ""
        for command in commands:
            self.log(f"must fail: {command}")
            code, said = self.execute(command, timeout=timeout)
            if code == 0:
                raise RequestedAssertionFailed(
                    f"command `{command}` unexpectedly succeeded"
                )
            output += said
        return output

    def wait_until_succeeds(self, command: str, timeout: int = 900) -> str:
        self.log(f"waiting for success: {command}")
        return self._wait_until(command, timeout, lambda code: code == 0)

    def wait_until_fails(self, command: str, timeout: int = 900) -> str:
        self.log(f"waiting for failure: {command}")
        return self._wait_until(command, timeout, lambda code: code != 0)

    def _wait_until(self, command: str, timeout: int, is_so) -> str:
        output = ""

        def check(_last: bool) -> bool:
            nonlocal output
            code, output = self.execute(command, timeout=timeout)
            return is_so(code)

        retry(check, timeout, 1)
        return output

    def systemctl(self, words: str) -> tuple[int, str]:
        return self.execute(f"systemctl --no-pager {words}")

    def get_unit_property(self, unit: str, name: str) -> str:
        code, said = self.systemctl(f"show {shlex.quote(unit)} --property={name}")
        if code != 0 or "=" not in said:
            raise RequestedAssertionFailed(f'no property "{name}" of unit "{unit}"')
        return said.strip().split("=", 1)[1]

    def require_unit_state(self, unit: str, require_state: str = "active") -> None:
        state = self.get_unit_property(unit, "ActiveState")
        if state != require_state:
            raise RequestedAssertionFailed(
                f"expected unit {unit} to be {require_state}, it is {state}"
            )

    def wait_for_unit(self, unit: str, timeout: int = 900) -> None:
        def check(_last: bool) -> bool:
            state = self.get_unit_property(unit, "ActiveState")
            if state == "failed":
                raise RequestedAssertionFailed(
                    f'unit "{unit}" reached state "{state}"\n' + self.journal(unit)
                )
            if state == "inactive":
                _, jobs = self.systemctl("list-jobs --full 2>&1")
                if (
                    "No jobs" in jobs
                    and self.get_unit_property(unit, "ActiveState") == state
                ):
                    raise RequestedAssertionFailed(
                        f'unit "{unit}" is inactive and there are no pending jobs'
                    )
            return state == "active"

        self.log(f"waiting for unit {unit}")
        retry(check, timeout)

    def wait_for_open_port(
        self, port: int, addr: str = "localhost", timeout: int = 900
    ) -> None:
        self.log(f"waiting for TCP port {port} on {addr}")
        retry(
            lambda _: self.execute(f"nc -z {shlex.quote(addr)} {port}")[0] == 0,
            timeout,
            0.5,
        )

    def wait_for_closed_port(
        self, port: int, addr: str = "localhost", timeout: int = 900
    ) -> None:
        self.log(f"waiting for TCP port {port} on {addr} to be closed")
        retry(
            lambda _: self.execute(f"nc -z {shlex.quote(addr)} {port}")[0] != 0,
            timeout,
            0.5,
        )

    def wait_for_file(self, filename: str, timeout: int = 900) -> None:
        retry(
            lambda _: self.execute(f"test -e {shlex.quote(filename)}")[0] == 0, timeout
        )

    def wait_for_console_text(self, regex: str, timeout: int = 900) -> None:
        retry(lambda _: re.search(regex, self.console()) is not None, timeout)

    def start_job(self, job: str) -> tuple[int, str]:
        return self.systemctl(f"start {job}")

    def stop_job(self, job: str) -> tuple[int, str]:
        return self.systemctl(f"stop {job}")

    def journal(self, unit: str, lines: int = 40) -> str:
        return self._run(
            f"journalctl --no-pager -n {lines} -u {shlex.quote(unit)}", 30
        )[1]

    def copy_from_host(self, source: str, target: str) -> None:
        self.start()
        self.connect()
        here, there = Path(source), Path(target)
        packed = subprocess.run(
            ["tar", "-C", str(here.parent), "-cf", "-", here.name],
            check=True,
            stdout=subprocess.PIPE,
        )
        folder = shlex.quote(str(there.parent))
        rename = shlex.quote(f"s,^{re.escape(here.name)},{there.name},")
        unpack = f"mkdir -p {folder} && tar -C {folder} -xf - --transform {rename}"
        words = [*self.enter("--mount", "--pid"), "/bin/sh", "-c", unpack]
        subprocess.run(words, input=packed.stdout, check=True)
