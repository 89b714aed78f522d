#!/usr/bin/env python3
"""Print a bronze table's rows as JSON, one a line, by partition and offset, as the Python package deltalake reads them.

Usage: bronze_rows.py TABLE FOLDER

Nulls are left out. Bytes are hexadecimal; those of more than 1,000 are written to a file in FOLDER, whose name is
shown as {"file": NAME}. Of longer texts and lists the length is shown. Days and moments are numbers (of days, of
microseconds since 1970), for Python's own end with the year 9999.
"""

import decimal
import json
import sys
import tempfile

import pyarrow as pa
from deltalake import DeltaTable
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem


def plain(kind: pa.DataType) -> pa.DataType:
    """The type that a column is read as."""
    if pa.types.is_timestamp(kind):
        return pa.int64()
    if pa.types.is_date(kind):
        return pa.int32()
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(plain(kind.value_type)))
    if pa.types.is_map(kind):
        return pa.map_(kind.key_type, plain(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(plain(field.type)) for field in kind])
    return kind


def shown(value: object) -> object:
    if isinstance(value, bytes):
        if len(value) <= 1000:
            return value.hex()
        with tempfile.NamedTemporaryFile(dir=sys.argv[2], delete=False) as file:
            file.write(value)
        return {"file": file.name}
    if isinstance(value, str) and len(value) > 1000:
        return f"{len(value)} characters"
    if isinstance(value, decimal.Decimal):
        return str(value)
    # JSON knows neither NaN nor infinity.
    if isinstance(value, float) and (
        value != value or value in (float("inf"), float("-inf"))
    ):
        return str(value)
    if isinstance(value, dict):
        return {name: shown(part) for name, part in value.items()}
    if isinstance(value, list) and len(value) > 1000:
        return f"{len(value)} items"
    if isinstance(value, (list, tuple)):
        return [shown(part) for part in value]
    return value


def main() -> None:
    # See read_tables.py: deltalake's own file system may abort the interpreter at exit.
    files = SubTreeFileSystem(sys.argv[1], LocalFileSystem())
    table = DeltaTable(sys.argv[1]).to_pyarrow_table(filesystem=files)
    table = table.cast(
        pa.schema([field.with_type(plain(field.type)) for field in table.schema])
    )
    rows = table.to_pylist()
    rows.sort(key=lambda row: (row["_partition"], row["_offset"], row["_kind"]))
    for row in rows:
        print(
            json.dumps(
                {name: shown(value) for name, value in row.items() if value is not None}
            )
        )


if __name__ == "__main__":
    main()
