"""Reads one Parquet object and one of compressed JSON lines with DuckDB and pyarrow, and prints what they see as JSON."""

import json
import sys

import duckdb
import pyarrow
import pyarrow.json
import pyarrow.parquet

parquet, lines = sys.argv[1:]


def by_duckdb(relation):
    names = [name for (name,) in duckdb.sql(f"select repository from {relation}").fetchall()]
    columns = duckdb.sql(f"describe select * from {relation}").fetchall()
    return {"names": names, "columns": {column[0]: column[1] for column in columns}}


def by_pyarrow(table):
    fields = {field.name: [str(field.type), field.nullable] for field in table.schema}
    return {"names": table.column("repository").to_pylist(), "columns": fields}


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
