"""A project of a thousand models with two thousand tests, for `bench/layers/run --only parse`."""

import shutil
from pathlib import Path

IN_A_FOLDER = 100
MACRO = "{% macro money(column, digits=2) %}round({{ column }} / 100.0, {{ digits }}){% endmacro %}\n"
MODEL = """{{{{ config(tags=['tag_{tag}']) }}}}
select a.id, a.day,
  {{% for column in ['x', 'y', 'z'] %}}{{{{ money('a.' ~ column) }}}} as {{{{ column }}}}{{{{ ',' if not loop.last }}}}
  {{% endfor %}}
from {{{{ {read} }}}} as a
"""
PROPERTIES = """  - name: model_{at}
    description: Model {at}
    columns:
      - {{name: id, description: The key, data_tests: [unique, not_null]}}
      - {{name: day, description: The day}}
"""


def generate(root: Path, models: int = 1000):
    """Write the project: the first folder of models reads sources, each model of the others two of the folder before."""
    shutil.rmtree(root, ignore_errors=True)
    (root / "macros").mkdir(parents=True)
    (root / "macros" / "money.sql").write_text(MACRO)
    (root / "dbt_project.yml").write_text(
        "name: thousand\nversion: '1.0'\nprofile: thousand\n"
    )
    profile = "{type: duckdb, path: thousand.duckdb, schema: main, threads: 2}"
    (root / "profiles.yml").write_text(
        f"thousand:\n  target: prod\n  outputs:\n    prod: {profile}\n"
    )
    for first in range(0, models, IN_A_FOLDER):
        folder = root / "models" / f"layer_{first // IN_A_FOLDER}"
        folder.mkdir(parents=True)
        properties = "models:\n"
        for at in range(first, first + IN_A_FOLDER):
            read = (
                f"ref('model_{at - IN_A_FOLDER}')"
                if first
                else f"source('bronze', 'table_{at}')"
            )
            text = MODEL.format(tag=at % 7, read=read)
            if first:
                beside = first - IN_A_FOLDER + (at + 1) % IN_A_FOLDER
                text += f"left join {{{{ ref('model_{beside}') }}}} as b using (id)\n"
            (folder / f"model_{at}.sql").write_text(text)
            properties += PROPERTIES.format(at=at)
        (folder / "schema.yml").write_text(properties)
    tables = ", ".join(f"{{name: table_{at}}}" for at in range(IN_A_FOLDER))
    (root / "models" / "sources.yml").write_text(
        f"sources:\n  - name: bronze\n    tables: [{tables}]\n"
    )
