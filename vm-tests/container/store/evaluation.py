"""What an evaluated NixOS configuration says, and what its derivations hold."""

import json
import os
import subprocess

# Everything that is laid on a disk. A text's context names the derivations that it refers to.
ASK = """
let
  config = %(config)s;
  context = text: builtins.attrNames (builtins.getContext text);
  pick = set: names: builtins.listToAttrs (map (name: { inherit name; value = set.${name}; }) names);
  unit = u: { inherit (u) wantedBy requiredBy overrideStrategy text; context = context u.text; };
  package = p: { path = "${p}"; inherit (p) name; context = context "${p}"; };
  file = f: let source = "${f.source}"; in { inherit source; context = context source; };
  wanted = builtins.filter (name: config.systemd.units.${name}.enable) (builtins.attrNames config.systemd.units);
in {
  units = builtins.mapAttrs (_: unit) (pick config.systemd.units (builtins.filter (n: builtins.match "%(units)s" n != null) wanted));
  etc = builtins.mapAttrs (_: file) (pick config.environment.etc
    (builtins.filter (n: builtins.match "%(etc)s" n != null && config.environment.etc.${n}.enable) (builtins.attrNames config.environment.etc)));
  packages = map package (builtins.filter (p: builtins.match "%(packages)s" p.name != null) config.systemd.packages);
  users = builtins.mapAttrs (_: u: { inherit (u) uid group extraGroups home; }) config.users.users;
  groups = builtins.mapAttrs (_: g: { inherit (g) gid members; }) config.users.groups;
  path = map package (builtins.filter (p: p ? name) config.environment.systemPackages);
  tmpfiles = map builtins.unsafeDiscardStringContext config.systemd.tmpfiles.rules;
}
"""


def nix(*words: str) -> str:
    done = subprocess.run(words, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words[:3])} …: {done.stderr.strip()[-4000:]}")
    return done.stdout


def evaluate(config: str, units: str, etc: str, packages: str) -> dict:
    """`config`: a Nix expression for a NixOS `config`; the others: regular expressions for what is wanted of its units,
    its files of /etc, and the packages that bring units of their own."""
    expression = ASK % {
        "config": config,
        "units": units,
        "etc": etc,
        "packages": packages,
    }
    return json.loads(
        nix("nix", "eval", "--offline", "--impure", "--json", "--expr", expression)
    )


def store_path(path: str) -> str:
    return path if path.startswith("/") else "/nix/store/" + path


class Derivations:
    """Derivations by their path, each read once."""

    def __init__(self) -> None:
        self.known: dict[str, dict] = {}

    def read(self, paths: list[str]) -> None:
        """Reads those that are new, all in one call."""
        new = [path for path in paths if path not in self.known]
        if new:
            shown = json.loads(nix("nix", "derivation", "show", *new))
            for path, derivation in shown.get("derivations", shown).items():
                self.known["/nix/store/" + os.path.basename(path)] = derivation  # noqa: PTH119 (a store path, not a file)

    def outputs(self, path: str) -> dict[str, str]:
        """Its outputs' names and where they would lie."""
        found = self.known[path]["outputs"].items()
        return {
            name: store_path(output["path"])
            for name, output in found
            if output.get("path")
        }

    def environment(self, path: str) -> dict:
        derivation = self.known[path]
        return derivation.get("structuredAttrs") or derivation["env"]

    def inputs(self, path: str) -> list[str]:
        derivation = self.known[path]
        inputs = derivation.get("inputs") or {
            "drvs": derivation.get("inputDrvs", {}),
            "srcs": derivation.get("inputSrcs", []),
        }
        return [store_path(one) for one in [*inputs["drvs"], *inputs["srcs"]]]
