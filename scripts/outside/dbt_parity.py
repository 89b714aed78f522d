"""Do dbt-core and goldrecord-layers list the same nodes of a project, with the same edges?

    python scripts/outside/dbt_parity.py goldrecord-layers [--project-dir warehouse] [--dbt dbt]

Compares what `dbt ls --output json` and `goldrecord-layers ls --output json` say of each node: its unique id and the
nodes that it depends on. dbt's own reader then takes the manifest.json that `goldrecord-layers parse` writes. Needs
dbt-core with dbt-duckdb. Exits with 0 when they say the same, 1 with the differences, 2 when a command fails.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

from dbt.artifacts.schemas.manifest import WritableManifest

RESOURCE_TYPES = ["model", "seed", "source", "test"]


# Of each node: its unique id, and the nodes that it depends on.
KEYS = ["--output", "json", "--output-keys", "unique_id", "depends_on"]


def nodes(
    command: list[str], environment: dict[str, str] | None = None
) -> dict[str, list[str]]:
    """What a command lists, one node a line: what each depends on, by its unique id."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment
        )
    except OSError as problem:
        print(f"{command[0]} does not run: {problem}", file=sys.stderr)
        sys.exit(2)
    if done.returncode != 0:
        print(f"{' '.join(command)} left with {done.returncode}:", file=sys.stderr)
        print(done.stdout + done.stderr, file=sys.stderr)
        sys.exit(2)
    found = {}
    for line in filter(str.strip, done.stdout.splitlines()):
        node = json.loads(line)
        if node["unique_id"] in found:
            print(f"{command[0]} lists {node['unique_id']} twice", file=sys.stderr)
            sys.exit(2)
        found[node["unique_id"]] = sorted(node.get("depends_on", {}).get("nodes", []))
    return found


def of_dbt(
    dbt: str, project: str, resource_type: str, scratch: str
) -> dict[str, list[str]]:
    command = [dbt, "--quiet", "ls", *KEYS, "--resource-type", resource_type]
    command += ["--project-dir", project, "--profiles-dir", project]
    command += ["--target", "duckdb"]
    command += ["--target-path", scratch, "--log-path", scratch]
    environment = {
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "GOLDRECORD_DUCKDB": f"{scratch}/lake.duckdb",
    }
    return nodes(command, os.environ | environment)


def of_ours(layers: str, project: str, resource_type: str) -> dict[str, list[str]]:
    command = [layers, "ls", *KEYS, "--resource-type", resource_type]
    return nodes([*command, "--project-dir", project])


def manifest(layers: str, project: str, scratch: str) -> dict[str, list[str]]:
    """The nodes and edges of our manifest.json, as dbt reads it."""
    command = [layers, "--quiet", "parse", "--project-dir", project]
    done = subprocess.run(
        [*command, "--target-path", scratch],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(f"{' '.join(command)} left with {done.returncode}:", file=sys.stderr)
        print(done.stdout + done.stderr, file=sys.stderr)
        sys.exit(2)
    read = WritableManifest.read_and_check_versions(f"{scratch}/manifest.json")
    return {
        # Sources have no edges, and those of seeds lead to macros alone.
        unique_id: sorted(getattr(getattr(node, "depends_on", None), "nodes", []))
        for unique_id, node in [*read.nodes.items(), *read.sources.items()]
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("layers", help="path of goldrecord-layers")
    parser.add_argument("--project-dir", default="warehouse")
    parser.add_argument("--dbt", default="dbt", help="path of dbt")
    arguments = parser.parse_args()

    differ = False
    listed: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for resource_type in RESOURCE_TYPES:
            project = arguments.project_dir
            theirs = of_dbt(arguments.dbt, project, resource_type, scratch)
            ours = of_ours(arguments.layers, project, resource_type)
            listed |= theirs
            if theirs == ours:
                edges = sum(map(len, ours.values()))
                print(f"{resource_type}: the same {len(ours)} nodes, {edges} edges")
                continue
            differ = True
            print(
                f"{resource_type}: dbt lists {len(theirs)}, goldrecord-layers {len(ours)}"
            )
            for name in sorted(set(theirs) - set(ours)):
                print(f"  only dbt: {name}")
            for name in sorted(set(ours) - set(theirs)):
                print(f"  only goldrecord-layers: {name}")
            for name in sorted(set(ours) & set(theirs)):
                if theirs[name] != ours[name]:
                    print(
                        f"  {name} depends on {theirs[name]} for dbt, {ours[name]} for goldrecord-layers"
                    )
        written = manifest(arguments.layers, arguments.project_dir, scratch)
        if written == listed:
            print(f"manifest.json: dbt reads the same {len(written)} nodes")
        else:
            differ = True
            print("manifest.json, as dbt reads it, has other nodes or edges:")
            for name in sorted(set(written) | set(listed)):
                if written.get(name) != listed.get(name):
                    print(
                        f"  {name}: {written.get(name)} there, {listed.get(name)} for dbt"
                    )
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
