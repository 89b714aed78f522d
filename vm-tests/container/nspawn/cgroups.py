"""Where a machine's processes are counted and, where the host can, capped."""

import os
import re
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def _systemd_roots() -> list[Path]:
    """A host with version 1 keeps systemd's tree beside that of version 2."""
    hybrid = [ROOT / "systemd", ROOT / "unified"]
    return hybrid if all(path.is_dir() for path in hybrid) else [ROOT]


def _memory_root() -> Path | None:
    found = re.search(r"^\d+:memory:(.*)$", Path("/proc/self/cgroup").read_text(), re.M)
    return ROOT / "memory" / found[1].strip("/") if found else None


class Groups:
    """The groups of one machine."""

    def __init__(self, prefix: str, name: str, memory_mib: int | None):
        self.paths = [root / prefix / name for root in _systemd_roots()]
        self.memory_mib = memory_mib
        self.memory = None
        if memory_mib and (root := _memory_root()):
            self.memory = root / prefix / name
            self.paths.append(self.memory)

    def make(self) -> list[Path]:
        """Makes them. Returns those that the machine's first process must join."""
        for path in self.paths:
            path.mkdir(parents=True, exist_ok=True)
        if self.memory and self.memory_mib:
            (self.memory / "memory.limit_in_bytes").write_text(
                str(self.memory_mib << 20)
            )
        return self.paths

    def remove(self) -> None:
        """Removes what is left of them; the kernel needs a moment after the last process."""
        for top in self.paths:
            for path, _, _ in os.walk(top, topdown=False):
                _remove(Path(path))
            _remove(top.parent, attempts=1)


def _remove(path: Path, attempts: int = 20) -> None:
    for _ in range(attempts):
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
