"""Do dbt-core and goldrecord-layers list the same nodes of a project?

    python scripts/outside/dbt_parity.py goldrecord-layers [--project-dir warehouse] [--dbt dbt]

Compares `dbt ls --output name` with `goldrecord-layers ls --output name` for each resource type. Needs dbt-core
with dbt-duckdb. Exits with 0 when the lists are equal, 1 with the differences, 2 when a command fails.
"""

import argparse
import os
import subprocess
import sys
import tempfile

RESOURCE_TYPES = ["model", "seed", "source", "test"]


def names(command: list[str], environment: dict[str, str] | None = None) -> list[str]:
    """What a command lists, one name a line."""
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
    return sorted(line for line in done.stdout.splitlines() if line.strip())


def dbt_names(dbt: str, project: str, resource_type: str, scratch: str) -> list[str]:
    command = [
        dbt,
        "--quiet",
        "ls",
        "--output",
        "name",
        "--resource-type",
        resource_type,
    ]
    command += [
        "--project-dir",
        project,
        "--profiles-dir",
        project,
        "--target",
        "duckdb",
    ]
    command += ["--target-path", scratch, "--log-path", scratch]
    environment = {
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "GOLDRECORD_DUCKDB": f"{scratch}/lake.duckdb",
    }
    return names(command, os.environ | environment)


def our_names(layers: str, project: str, resource_type: str) -> list[str]:
    command = [layers, "ls", "--output", "name", "--resource-type", resource_type]
    return names([*command, "--project-dir", project])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("layers", help="path of goldrecord-layers")
    parser.add_argument("--project-dir", default="warehouse")
    parser.add_argument("--dbt", default="dbt", help="path of dbt")
    arguments = parser.parse_args()

    differ = False
    with tempfile.TemporaryDirectory() as scratch:
        for resource_type in RESOURCE_TYPES:
            theirs = dbt_names(
                arguments.dbt, arguments.project_dir, resource_type, scratch
            )
            ours = our_names(arguments.layers, arguments.project_dir, resource_type)
            if theirs == ours:
                print(f"{resource_type}: the same {len(ours)} names")
                continue
            differ = True
            print(
                f"{resource_type}: dbt lists {len(theirs)}, goldrecord-layers {len(ours)}"
            )
            for name in sorted(set(theirs) - set(ours)):
                print(f"  only dbt: {name}")
            for name in sorted(set(ours) - set(theirs)):
                print(f"  only goldrecord-layers: {name}")
            if len(theirs) != len(set(theirs)) or len(ours) != len(set(ours)):
                print("  a name is listed more than once")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
