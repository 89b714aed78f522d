"""Machines of the flake: the units of `nixosConfigurations`, evaluated, with stand-ins for what a build would bring."""

import os
import subprocess
import sys
from pathlib import Path

import servers
import stand_ins
from debian import REPOSITORY
from nspawn import Machine
from store import Layer, Wanted, lay

# Services that no package of this machine can run.
LEFT_OUT = {
    "akhq": "AKHQ",
    "grafana": "Grafana",
    "metabase": "Metabase",
    "goldrecord-reports-apply": "the dashboards of Metabase",
    "prometheus-kafka-exporter": "Kafka's exporter (kminion)",
    "prometheus-node-exporter": "the machine's exporter",
    "prometheus-systemd-exporter": "systemd's exporter",
    "registry-export": "the export of a newer registry than the testkit's",
}
# What is laid of a host; the rest of NixOS is Debian's here.
WANTED = Wanted(
    units="(akhq|apache-kafka|apicurio|clickhouse|goldrecord|grafana|hdfs|kafka|metabase|prometheus|registry|zookeeper)[^.]*[.](service|timer|target)",
    etc="(hosts|hadoop-conf|goldrecord/.*|clickhouse-server/.*)",
    unit_packages="goldrecord-units.*",
    commands="goldrecord-restore.*",
    left_out=frozenset(LEFT_OUT),
)


def nixpkgs() -> Path:
    """The nixpkgs that the flake is evaluated against."""
    found = os.environ.get("NIXPKGS")
    if not found:
        sys.exit(
            "NIXPKGS is not set: name the folder of a nixpkgs, such as that of the flake's lock"
        )
    return Path(found).resolve()


def configuration(modules: str) -> str:
    """A Nix expression for the `config` of a machine with these modules beside the flake's own."""
    return f"""(import {nixpkgs()}/nixos/lib/eval-config.nix {{
      modules = [ (import {REPOSITORY}/nixos/modules).default {modules} ];
    }}).config"""


def set_up(machine: Machine, modules: str) -> Layer:
    """Lays a machine of the flake on a machine's disk, and says what is left out."""
    config = configuration(modules)
    layer = lay(machine.disk, config, WANTED, stand_ins.packages(), machine.base)
    for here, there in {**layer.binds, **servers.java_binds()}.items():
        machine.bind(here, there)
    if layer.missing:
        raise RuntimeError(f"nothing stands in for: {', '.join(sorted(layer.missing))}")
    # As `nix flake check` does with what it has built.
    store = "\n".join(map(str, (machine.disk / "nix/store").iterdir()))
    subprocess.run(
        [REPOSITORY / "nixos/checks/no_secrets"], input=store, text=True, check=True
    )
    without = sorted({LEFT_OUT[name.rsplit(".", 1)[0]] for name in layer.left_out})
    machine.log(
        f"{len(layer.done)} derivations laid; left out, since they cannot be had here: {', '.join(without)}"
    )
    return layer
