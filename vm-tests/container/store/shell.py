"""A few lines of shell that Nix would run in its sandbox, run here with a layer's store in place of the real one."""

import json
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

# Tools that such scripts want and a Debian lacks. JSON is YAML, and TOML takes inline tables.
CONVERT = """#!/usr/bin/env python3
import json, os, sys
words = sys.argv[1:]
key = words.pop(words.index("--unwrap") + 1) if "--unwrap" in words else None
*format, source, target = [word for word in words if word != "--unwrap"]
value = json.load(open(source))
value = value[key] if key else value
text = lambda x: json.dumps(x, ensure_ascii=False)
def toml(x):
    if isinstance(x, dict):
        return "{ " + ", ".join(f"{text(k)} = {toml(y)}" for k, y in x.items() if y is not None) + " }"
    return "[" + ", ".join(map(toml, x)) + "]" if isinstance(x, list) else text(x)
is_toml = "toml" in (format or [os.path.basename(sys.argv[0])[5:]])
lines = "".join(f"{text(k)} = {toml(x)}\\n" for k, x in value.items() if x is not None) if is_toml else json.dumps(value, ensure_ascii=False, indent=1)
open(target, "w").write(lines)
"""
# glibc's iconv knows no "JAVA".
ICONV = """#!/usr/bin/env python3
import sys
text = sys.stdin.buffer.read().decode().encode("utf-16-be")
units = [int.from_bytes(text[i:i + 2], "big") for i in range(0, len(text), 2)]
sys.stdout.write("".join(chr(x) if x < 128 else f"\\\\u{x:04x}" for x in units))
"""
SHIMS = {"json2x": CONVERT, "json2yaml": CONVERT, "json2toml": CONVERT, "iconv": ICONV}


def variables(environment: dict, scratch: Path) -> dict[str, str]:
    """A derivation's environment as its script sees it; what it wants as files lies in `scratch`."""
    found = {
        name: str(value)
        for name, value in environment.items()
        if isinstance(value, str | int) and re.fullmatch(r"\w+", name) and name != "env"
    }
    as_files = environment.get("passAsFile")
    for name in as_files.split() if isinstance(as_files, str) else []:
        (scratch / f".{name}").write_text(found.pop(name))
        found[f"{name}Path"] = f"{scratch}/.{name}"
    return found


def run(
    out: str, environment: dict, tools: list[str], root: Path, binds: dict[str, str]
) -> None:
    """Runs `buildCommand` in a private mount namespace, so that `out` appears under `root`."""
    quote = shlex.quote
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for name, text in SHIMS.items():
            (scratch / name).write_text(text)
            (scratch / name).chmod(0o755)
        (scratch / ".attrs.json").write_text(
            json.dumps({**environment, "outputs": {"out": out}})
        )
        path = ":".join(
            [folder, *(f"{tool}/bin" for tool in tools), os.environ["PATH"]]
        )
        inside = {
            **variables(environment, scratch),
            "out": out,
            "NIX_ATTRS_JSON_FILE": f"{folder}/.attrs.json",
            "HOME": folder,
            "TMPDIR": folder,
            "NIX_BUILD_TOP": folder,
            "PATH": path,
        }
        mounts = [f"rm -rf {quote(str(root) + out)}"]
        mounts += [
            f"mount --bind {quote(here)} {quote(str(root) + there)}"
            for here, there in binds.items()
            if there.startswith("/nix/store/")
        ]
        mounts.append(f"mount --rbind {quote(str(root / 'nix/store'))} /nix/store")
        script = "\n".join(
            [
                "set -e",
                *mounts,
                f"cd {quote(folder)}",
                "set -o pipefail",
                environment["buildCommand"],
            ]
        )
        words = ["unshare", "--mount", "--propagation", "private", "bash", "-c", script]
        done = subprocess.run(
            words,
            env=inside,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        raise RuntimeError(
            f"{out} cannot be made with the tools of this machine; answer it among the packages:\n{done.stdout}"
        )
