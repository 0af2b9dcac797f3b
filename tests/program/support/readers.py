"""Reads one Parquet object and one of compressed JSON lines with DuckDB and pyarrow, and prints what they see as JSON:
the types of all columns, and the rows of those that are named.
"""

import json
import sys

import duckdb
import pyarrow
import pyarrow.json
import pyarrow.parquet

parquet, lines, *wanted = sys.argv[1:]


def by_duckdb(relation):
    names = ", ".join(f'"{name}"' for name in wanted)
    rows = duckdb.sql(f"select {names} from {relation}").fetchall()
    columns = duckdb.sql(f"describe select * from {relation}").fetchall()
    return {"rows": rows, "columns": {column[0]: column[1] for column in columns}}


def by_pyarrow(table):
    fields = {field.name: [str(field.type), field.nullable] for field in table.schema}
    columns = [table.column(name).to_pylist() for name in wanted]
    return {"rows": list(zip(*columns)), "columns": fields}


with pyarrow.input_stream(lines, compression="zstd") as stream:
    lines_by_pyarrow = pyarrow.json.read_json(stream)

json.dump(
    {
        "parquet_by_duckdb": by_duckdb(f"read_parquet('{parquet}', hive_partitioning = false)"),
        "parquet_by_pyarrow": by_pyarrow(pyarrow.parquet.ParquetFile(parquet).read()),
        "json_by_duckdb": by_duckdb(f"read_json('{lines}', format = 'newline_delimited', hive_partitioning = false)"),
        "json_by_pyarrow": by_pyarrow(lines_by_pyarrow),
    },
    sys.stdout,
)
