"""Units and what they refer to, laid under a machine's root without a build.

A unit's text is known at evaluation. Derivations that hold text are written out; those of a few lines of shell are run
here; what stays is real packages, each answered by name from PACKAGES with things of this machine.

PACKAGES: regular expression over "name-version" to a folder of this machine (bound at the store path), or to
{path inside: "host:/here" (bound), "#!script", "text:file's text", or a path inside the machine (a link)}, or to
"deb:NAMES": the commands of these Debian packages of the base root.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from . import accounts, shell
from .evaluation import Derivations, evaluate

Packages = dict[str, str | dict[str, str]]

# The small tools that every NixOS unit has in its path, command by command, so that a path that lacks one shows.
_DEBIAN = {
    "coreutils": "coreutils",
    "coreutils-full": "coreutils",
    "findutils": "findutils",
    "gnugrep": "grep",
    "gnused": "sed",
    "gawk": "mawk",
    "gnutar": "tar",
    "gzip": "gzip",
    "bash": "bash",
    "bash-interactive": "bash",
    "systemd": "systemd",
    "systemd-minimal": "systemd",
    "util-linux": "util-linux mount",
    "util-linux-minimal": "util-linux mount",
    "curl": "curl",
    "procps": "procps",
    "iproute2": "iproute2",
    "iputils": "iputils-ping",
    "jq": "jq",
    "netcat": "netcat-openbsd",
    "python3": "python3-minimal",
    "nftables": "nftables",
}
HOST: Packages = {
    **{rf"{name}-[0-9].*": f"deb:{packages}" for name, packages in _DEBIAN.items()},
    r"tzdata-.*": {"share/zoneinfo": "/usr/share/zoneinfo"},
    r"glibc-locales-.*": {},
}


def name_of(out: str) -> str:
    """`name-version` of a store path."""
    return out.split("-", 1)[1]


class Layer:
    """What is laid on one machine's disk."""

    def __init__(self, root: Path, packages: Packages, base: Path):
        self.root, self.packages, self.base = root, packages, base
        self.derivations = Derivations()
        # What each store path became, what is bound from this machine, and what nobody provided.
        self.done: dict[str, str] = {}
        self.binds: dict[str, str] = {}
        self.missing: set[str] = set()
        self.left_out: list[str] = []

    def place(self, path: str) -> Path:
        found = self.root / path.lstrip("/")
        found.parent.mkdir(parents=True, exist_ok=True)
        return found

    def refer(self, context: list[str], text: str) -> None:
        """Lays each derivation of the context of which the text names an output."""
        named = [path for path in context if path.endswith(".drv")]
        self.derivations.read(named)
        for path in named:
            outputs = {
                name: out
                for name, out in self.derivations.outputs(path).items()
                if Path(out).name in text
            }
            if outputs and not all(
                self.done.get(out) or self.package(out) for out in outputs.values()
            ):
                self.derivation(path, outputs)
        for path in context:
            if (
                not path.endswith(".drv")
                and Path(path).name in text
                and Path(path).exists()
            ):
                self.bind(path, path)

    def derivation(self, path: str, outputs: dict[str, str]) -> None:
        environment, inputs = (
            self.derivations.environment(path),
            self.derivations.inputs(path),
        )
        if "text" in environment and "out" in outputs:
            self.text(outputs["out"], environment)
            self.refer(inputs, environment["text"])
        elif "chosenOutputs" in environment and "out" in outputs:
            self.tree(outputs["out"], environment, inputs)
        elif environment.get("buildCommand") and list(outputs) == ["out"]:
            tools = environment.get("nativeBuildInputs") or []
            tools = tools.split() if isinstance(tools, str) else tools
            # The standard environment is bash and the tools of this machine.
            own = {
                name: value
                for name, value in environment.items()
                if name not in ("nativeBuildInputs", "stdenv", "builder")
            }
            self.refer(inputs, json.dumps(own))
            self.refer(
                [
                    one
                    for one in inputs
                    if one.endswith(".drv") and self.is_provided(one)
                ],
                " ".join(tools),
            )
            self.place(outputs["out"])
            shell.run(outputs["out"], environment, tools, self.root, self.binds)
            self.done[outputs["out"]] = "made"
        else:
            self.missing.update(out for out in outputs.values() if out not in self.done)

    def is_provided(self, path: str) -> bool:
        self.derivations.read([path])
        outputs = self.derivations.outputs(path).values()
        return any(
            re.fullmatch(pattern, name_of(out))
            for pattern in self.packages
            for out in outputs
        )

    def text(self, out: str, environment: dict) -> None:
        file = self.place(out + (environment.get("destination") or ""))
        file.unlink(missing_ok=True)
        file.write_text(environment["text"])
        file.chmod(0o555 if environment.get("executable") in ("1", True) else 0o444)
        self.done[out] = "text"

    def tree(self, out: str, environment: dict, inputs: list[str]) -> None:
        """A `buildEnv`: one folder that shows what is in several."""
        paths = [
            path for chosen in environment["chosenOutputs"] for path in chosen["paths"]
        ]
        self.refer(inputs, json.dumps(paths))
        self.place(out).mkdir(exist_ok=True)
        for path in paths:
            for entry in self.place(path).iterdir():
                link(self.place(f"{out}/{entry.name}"), f"{path}/{entry.name}")
        self.done[out] = "tree"

    def bind(self, here: str, there: str) -> None:
        place = self.place(there)
        if self.binds.get(here, there) != there:
            # One folder in two places: nspawn binds it once.
            link(place, self.binds[here])
            return
        self.binds[here] = there
        if Path(here).is_dir():
            place.mkdir(exist_ok=True)
        else:
            place.touch()

    def package(self, out: str) -> bool:
        """Whether a package of this machine stands in for a store path."""
        for pattern, source in self.packages.items():
            if not re.fullmatch(pattern, name_of(out)):
                continue
            kind = "package"
            if isinstance(source, str) and source.startswith("deb:"):
                kind, source = "tool", self.commands(source[4:].split())
            if isinstance(source, str):
                self.bind(source, out)
            else:
                self.place(out).mkdir(exist_ok=True)
                for inside, what in source.items():
                    self.put(out, inside, what)
            self.done[out] = kind
            return True
        return False

    def put(self, out: str, inside: str, what: str) -> None:
        path = f"{out}/{inside}"
        if what.startswith("host:"):
            self.bind(what[5:], path)
        elif what.startswith(("#!", "text:")):
            file = self.place(path)
            file.write_text(what.removeprefix("text:"))
            file.chmod(0o755 if what.startswith("#!") else 0o644)
        else:
            link(self.place(path), what)

    def commands(self, names: list[str]) -> dict[str, str]:
        """The commands of Debian packages of the base root."""
        found = {"sbin": "bin"}
        for name in names:
            for listing in (self.base / "var/lib/dpkg/info").glob(f"{name}*.list"):
                if listing.stem.split(":")[0] == name:
                    commands = re.finditer(
                        r"^(?:/usr)?(/s?bin/([^/\n]+))$", listing.read_text(), re.M
                    )
                    found |= {
                        f"bin/{command[2]}": f"/usr{command[1]}" for command in commands
                    }
        return found

    def system_path(self, packages: list[dict], ours: str) -> None:
        """The commands of packages that the configuration puts into everybody's path, and that are laid or are ours."""
        for package in packages:
            out = package["path"]
            if re.fullmatch(ours, package["name"]):
                self.refer(package["context"], out)
            if self.done.get(out) not in ("package", "text"):
                continue
            here = (Path(here) for here, there in self.binds.items() if there == out)
            folder = next(here, self.place(out)) / "bin"
            for command in (
                folder.iterdir() if folder.is_dir() and not folder.is_symlink() else ()
            ):
                link(
                    self.place(f"/usr/local/bin/{command.name}"),
                    f"{out}/bin/{command.name}",
                )


def link(place: Path, target: str) -> None:
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def lay_unit(layer: Layer, name: str, unit: dict) -> None:
    """A unit, or what it says over a unit of a package, and who starts it."""
    place = layer.place(f"/etc/systemd/system/{name}")
    template = place.with_name(re.sub(r"@[^.]*\.", "@.", name))
    if place.is_symlink() or template.is_symlink():
        place = layer.place(f"/etc/systemd/system/{name}.d/overrides.conf")
    place.write_text(unit["text"])
    layer.refer(unit["context"], unit["text"])
    target_of = (
        template
        if template.is_symlink()
        else layer.place(f"/etc/systemd/system/{name}")
    )
    for kind, targets in (
        ("wants", unit["wantedBy"]),
        ("requires", unit["requiredBy"]),
    ):
        for target in targets:
            link(
                layer.place(f"/etc/systemd/system/{target}.{kind}/{name}"),
                f"/etc/systemd/system/{target_of.name}",
            )


@dataclass
class Wanted:
    """What is laid of a configuration: regular expressions over names, and units that are left out all the same."""

    units: str
    etc: str
    unit_packages: str
    commands: str
    left_out: frozenset[str]


def lay(
    root: Path, config: str, wanted: Wanted, packages: Packages, base: Path
) -> Layer:
    """Lays what is wanted, and the users, folders and commands that go with it."""
    found = evaluate(config, wanted.units, wanted.etc, wanted.unit_packages)
    layer = Layer(root, {**packages, **HOST}, base)
    for package in found["packages"]:
        layer.refer(package["context"], package["path"])
        for file in layer.place(
            f"{package['path']}/lib/systemd/system/unit"
        ).parent.iterdir():
            link(
                layer.place(f"/etc/systemd/system/{file.name}"),
                f"{package['path']}/lib/systemd/system/{file.name}",
            )
    for name, unit in found["units"].items():
        if name.rsplit(".", 1)[0] in wanted.left_out:
            layer.left_out.append(name)
        else:
            lay_unit(layer, name, unit)
    for name, file in found["etc"].items():
        layer.refer(file["context"], file["source"])
        link(layer.place(f"/etc/{name}"), file["source"])
    accounts.add(root, base, found["users"], found["groups"])
    # Folders outside of the store; those that Debian's own rules make are left to them.
    ours = re.compile(r"\S+\s+['\"]?/(var|srv|tmp|run)/(?!empty|db)")
    rules = [
        rule for rule in found["tmpfiles"] if ours.match(rule) and "/nix/" not in rule
    ]
    layer.place("/etc/tmpfiles.d/nixos.conf").write_text(
        "".join(f"{rule}\n" for rule in rules)
    )
    layer.system_path(found["path"], wanted.commands)
    return layer
