"""Do dbt-core and goldrecord-layers list the same nodes of a project, with the same edges?

    python scripts/outside/dbt_parity.py goldrecord-layers [--project-dir warehouse …] [--dbt dbt]

Compares what `dbt ls --output json` and `goldrecord-layers ls --output json` say of each node: its unique id and the
nodes that it depends on. dbt's own reader then takes the manifest.json that `goldrecord-layers parse` writes, and what
it says of each node is compared with dbt's, and what the manifest says of macros and documentation blocks. Both then build a small project with a seed, models, tests, a failure and
what is skipped by it: the same exit code, and dbt's reader takes our run_results.json; and it takes the catalog.json that
`docs generate` writes of what was built, with the tables and columns of dbt's own. Needs dbt-core with dbt-duckdb.
Exits with 0 when they say the same, 1 with the differences, 2 when a command fails.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from dbt.artifacts.schemas.catalog import CatalogArtifact
from dbt.artifacts.schemas.manifest import WritableManifest
from dbt.artifacts.schemas.run import RunResultsArtifact

RESOURCE_TYPES = ["model", "seed", "snapshot", "source", "test", "unit_test"]


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


# What both manifests say of a node.
FIELDS = ["name", "resource_type", "package_name", "path", "original_file_path", "fqn"]


def manifest(layers: str, project: str, folder: str) -> dict[str, list[str]]:
    """The nodes and edges of our manifest.json, as dbt reads it."""
    command = [layers, "--quiet", "parse", "--project-dir", project]
    done = subprocess.run(
        [*command, "--target-path", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(f"{' '.join(command)} left with {done.returncode}:", file=sys.stderr)
        print(done.stdout + done.stderr, file=sys.stderr)
        sys.exit(2)
    read = WritableManifest.read_and_check_versions(f"{folder}/manifest.json")
    return {
        # Sources have no edges, and those of seeds lead to macros alone.
        unique_id: sorted(getattr(getattr(node, "depends_on", None), "nodes", []))
        for unique_id, node in [
            *read.nodes.items(),
            *read.sources.items(),
            *read.unit_tests.items(),
        ]
        if node.resource_type in RESOURCE_TYPES
    }


def documented(folder: str) -> dict[str, dict]:
    """What a manifest.json says of the macros and documentation blocks that do not come with the engine."""
    content = json.loads(Path(folder, "manifest.json").read_text("utf-8"))
    found = {}
    for unique_id, one in [*content["macros"].items(), *content["docs"].items()]:
        if one["package_name"].startswith("dbt"):
            continue
        fields = ["name", "original_file_path", "block_contents", "macro_sql"]
        fields += ["description", "arguments", "patch_path"]
        found[unique_id] = {field: one.get(field) for field in fields}
    return found


def described(folder: str) -> dict[str, dict]:
    """What a manifest.json says of its nodes, as far as both write it."""
    content = json.loads(Path(folder, "manifest.json").read_text("utf-8"))
    found = {}
    for unique_id, node in [*content["nodes"].items(), *content["sources"].items()]:
        if node["resource_type"] not in RESOURCE_TYPES:
            continue
        said = {field: node[field] for field in FIELDS}
        said["description"] = node["description"]
        said["column_descriptions"] = {
            name: column["description"] for name, column in node["columns"].items()
        }
        said["tags"] = sorted(node["tags"])
        said["columns"] = sorted(node["columns"])
        said["materialized"] = node["config"].get("materialized")
        if node["resource_type"] == "source":
            said["materialized"] = None
        if node["resource_type"] == "test":
            said["test"] = (node.get("test_metadata") or {}).get("name")
            said["severity"] = node["config"]["severity"].lower()
            said["attached_node"] = node.get("attached_node")
        found[unique_id] = said
    return found


def same_descriptions(theirs: dict[str, dict], ours: dict[str, dict]) -> bool:
    wrong = [
        f"  {name}: {key} is {theirs[name][key]!r} for dbt, {ours[name].get(key)!r} for goldrecord-layers"
        for name in sorted(set(theirs) & set(ours))
        for key in theirs[name]
        if theirs[name][key] != ours[name].get(key)
    ]
    if wrong:
        print("manifest.json says other things of nodes than dbt's:")
        print("\n".join(wrong))
    else:
        print(f"manifest.json: the same said of {len(theirs)} nodes or blocks")
    return not wrong


# A project in which something of every kind happens.
SMALL = {
    "dbt_project.yml": "name: small\nversion: '1.0'\nprofile: small\nmodels: {small: {+materialized: table}}\n",
    "profiles.yml": """small:
  target: duckdb
  outputs:
    duckdb: {type: duckdb, path: "{{ env_var('GOLDRECORD_DUCKDB') }}", schema: small}
    prod: {type: goldrecord, database: lake, schema: small}
""",
    "seeds/days.csv": "day,n\n2026-01-01,1\n2026-01-02,2\n",
    "models/a.sql": "select day, n from {{ ref('days') }}",
    "models/b.sql": "{{ config(materialized='view') }} select n * 2 as n from {{ ref('a') }}",
    "models/below.sql": "select n from {{ ref('failing') }}",
    "models/failing.sql": "select n from {{ ref('a') }}",
    "models/models.yml": """models:
  - name: a
    columns: [{name: day, data_tests: [unique, not_null]}]
  - name: b
    columns:
      - name: n
        data_tests: [{accepted_values: {arguments: {values: [2], quote: false}, config: {severity: warn}}}]
  - name: failing
    columns: [{name: n, data_tests: [{accepted_values: {arguments: {values: [7], quote: false}}}]}]
""",
    "models/added.sql": "select n + 1 as n from {{ ref('a') }}",
    "models/untrue.sql": "select n + 1 as n from {{ ref('a') }}",
    "models/unit.yml": """unit_tests:
  - name: all_rows_are_kept
    model: a
    given: [{input: ref('days'), rows: [{day: 2026-01-03, n: 7}, {n: 1}]}]
    expect: {rows: [{n: 1, day: null}, {n: 7, day: 2026-01-03}]}
  - name: one_is_added
    model: added
    given: [{input: ref('a'), format: csv, rows: "n\\n1\\n2\\n"}]
    expect: {format: sql, rows: select 2 as n union all select 3}
  - name: two_are_added
    model: untrue
    given: [{input: ref('a'), format: csv, fixture: one_and_two}]
    expect: {rows: [{n: 3}, {n: 4}]}
""",
    "tests/fixtures/one_and_two.csv": "n\n1\n2\n",
    "tests/none_is_negative.sql": "select n from {{ ref('a') }} where n < 0",
}

# How its nodes end. As in dbt, but for the model that its test keeps from being committed.
ENDED = {
    "days": ("success", 0),
    "a": ("success", 0),
    "unique_a_day": ("pass", 0),
    "not_null_a_day": ("pass", 0),
    "none_is_negative": ("pass", 0),
    "b": ("success", 0),
    "accepted_values_b_n__False__2": ("warn", 1),
    "failing": ("error", 0),
    "accepted_values_failing_n__False__7": ("fail", 2),
    "below": ("skipped", 0),
    "all_rows_are_kept": ("pass", 0),
    "one_is_added": ("pass", 0),
    "added": ("success", 0),
    "two_are_added": ("fail", 1),
    "untrue": ("skipped", 0),
}


def results(command: list[str], folder: str, environment: dict[str, str]):
    """A build's exit code, and how each node ended by its run_results.json, as dbt reads it."""
    done = subprocess.run(
        [*command, "--target-path", folder],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    try:
        read = RunResultsArtifact.read_and_check_versions(f"{folder}/run_results.json")
    except Exception as problem:  # whatever dbt's reader finds wrong
        print(f"{' '.join(command)} left no results: {problem}", file=sys.stderr)
        print(done.stdout + done.stderr, file=sys.stderr)
        sys.exit(2)
    ended = {
        result.unique_id: (str(result.status), result.failures or 0)
        for result in read.results
    }
    return done.returncode, ended


def catalog(command: list[str], folder: str, environment: dict[str, str]):
    """The columns of each table in a catalog.json, in order, as dbt reads it."""
    done = subprocess.run(
        [*command, "--target-path", folder],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    try:
        read = CatalogArtifact.read_and_check_versions(f"{folder}/catalog.json")
    except Exception as problem:  # whatever dbt's reader finds wrong
        print(f"{' '.join(command)} left no catalog: {problem}", file=sys.stderr)
        print(done.stdout + done.stderr, file=sys.stderr)
        sys.exit(2)
    return {
        unique_id: [
            column.name
            for column in sorted(table.columns.values(), key=lambda one: one.index)
        ]
        for unique_id, table in [*read.nodes.items(), *read.sources.items()]
    }


def same_catalog(theirs: dict[str, list[str]], ours: dict[str, list[str]]) -> bool:
    # dbt-duckdb leaves views out.
    ours_too = {name: of for name, of in ours.items() if name in theirs}
    more = set(ours) - set(theirs)
    if theirs == ours_too and more == {"model.small.b"}:
        print(f"catalog.json: the same columns of {len(theirs)} tables, and a view")
        return True
    print(f"catalog.json: dbt has {theirs}, goldrecord-layers {ours}")
    return False


def same_results(layers: str, dbt: str, scratch: str) -> bool:
    project = f"{scratch}/small"
    for path, text in SMALL.items():
        file = Path(project, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    config = Path(scratch, "small.toml")
    config.write_text(f'[lake]\nurl = "file://{scratch}/small-lake"\n', "utf-8")
    Path(scratch, "small-lake").mkdir()
    environment = {
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "GOLDRECORD_DUCKDB": f"{scratch}/small.duckdb",
    }
    places = ["--project-dir", project, "--profiles-dir", project]
    duckdb = ["--target", "duckdb"]
    prod = ["--target", "prod", "--config", str(config)]
    theirs = results(
        [dbt, "build", *places, "--log-path", scratch, *duckdb],
        f"{scratch}/small-dbt",
        environment,
    )
    ours = results(
        [layers, "build", *places, *prod],
        f"{scratch}/small-ours",
        environment,
    )
    # A unit test's name stands after that of its model.
    ended = {
        name.split(".")[3 if name.startswith("unit_test.") else 2]: result
        for name, result in ours[1].items()
    }
    unit_tests = [
        {name: end for name, end in ends[1].items() if name.startswith("unit_test.")}
        for ends in (theirs, ours)
    ]
    same = theirs[0] == ours[0] and set(theirs[1]) == set(ours[1])
    if same and ended == ENDED and unit_tests[0] == unit_tests[1]:
        print(f"run_results.json: {len(ended)} results, exit code {ours[0]}")
        return same_catalog(
            catalog(
                [dbt, "docs", "generate", *places, "--log-path", scratch, *duckdb],
                f"{scratch}/small-dbt",
                environment,
            ),
            catalog(
                [layers, "docs", "generate", *places, *prod],
                f"{scratch}/small-ours",
                environment,
            ),
        )
    print(f"build: dbt left with {theirs[0]} and {theirs[1]}")
    print(f"  goldrecord-layers with {ours[0]} and {ours[1]}")
    print(f"  it should end as {ENDED}")
    return False


# The warehouse, and a project with a package.
PROJECTS = ["warehouse", "crates/layers/tests/projects/parlour"]


def same_project(layers: str, dbt: str, project: str, scratch: str) -> bool:
    """Whether both list the same nodes and edges of a project, and say the same in their manifests."""
    same = True
    listed: dict[str, list[str]] = {}
    for resource_type in RESOURCE_TYPES:
        theirs = of_dbt(dbt, project, resource_type, scratch)
        ours = of_ours(layers, project, resource_type)
        listed |= theirs
        if theirs == ours:
            edges = sum(map(len, ours.values()))
            print(
                f"{project}: {resource_type}: the same {len(ours)} nodes, {edges} edges"
            )
            continue
        same = False
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
    written = manifest(layers, project, f"{scratch}/ours")
    if written == listed:
        print(f"manifest.json: dbt reads the same {len(written)} nodes")
    else:
        same = False
        print("manifest.json, as dbt reads it, has other nodes or edges:")
        for name in sorted(set(written) | set(listed)):
            if written.get(name) != listed.get(name):
                print(
                    f"  {name}: {written.get(name)} there, {listed.get(name)} for dbt"
                )
    same &= same_descriptions(described(scratch), described(f"{scratch}/ours"))
    theirs, ours = documented(scratch), documented(f"{scratch}/ours")
    if set(theirs) != set(ours):
        same = False
        print(f"manifest.json has other macros or docs: {set(theirs) ^ set(ours)}")
    return same and same_descriptions(theirs, ours)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("layers", help="path of goldrecord-layers")
    parser.add_argument("--project-dir", nargs="+", default=PROJECTS)
    parser.add_argument("--dbt", default="dbt", help="path of dbt")
    arguments = parser.parse_args()

    same = True
    for project in arguments.project_dir:
        with tempfile.TemporaryDirectory() as scratch:
            same &= same_project(arguments.layers, arguments.dbt, project, scratch)
    with tempfile.TemporaryDirectory() as scratch:
        same &= same_results(arguments.layers, arguments.dbt, scratch)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
