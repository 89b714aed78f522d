"""Does an independent Delta reader read every table of a lake?

    python scripts/outside/read_tables.py LAKE_DIR

Opens each Delta table under LAKE_DIR with the PyPI package deltalake, reads all of it, and prints its version and
rows. Exits with 0 when all were read, 1 when one was not or there is none.
"""

import argparse
import sys
from pathlib import Path

from deltalake import DeltaTable
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem


def tables(lake: Path) -> list[Path]:
    """The folders that hold a Delta log, wherever they lie."""
    return sorted(log.parent for log in lake.rglob("_delta_log") if log.is_dir())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lake", type=Path, help="the lake's folder")
    lake = parser.parse_args().lake

    found = tables(lake)
    if not found:
        print(f"there is no Delta table under {lake}", file=sys.stderr)
        return 1
    failed = 0
    for path in found:
        name = path.relative_to(lake)
        try:
            table = DeltaTable(str(path))
            # By deltalake's own file system Arrow's threads call back into Python, and abort where they still do at exit.
            files = SubTreeFileSystem(str(path), LocalFileSystem())
            rows = table.to_pyarrow_table(filesystem=files).num_rows
        # Whatever a reader raises, the table is what it could not read.
        except Exception as problem:
            failed += 1
            print(
                f"{name}: cannot be read: {type(problem).__name__}: {problem}",
                file=sys.stderr,
            )
            continue
        print(f"{name}: version {table.version()}, {rows} rows")
    print(f"{len(found) - failed} of {len(found)} tables read")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
