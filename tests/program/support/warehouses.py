"""What stands in several warehouses: `warehouses.py KIND=PLACE …` prints a JSON object with an entry for each.

An entry has all rows of each table, sorted, in the same form whatever the warehouse; and what a reader of table `changes`
knows who has replayed it: the tags of each repository, from the first night on.
"""

import json
import subprocess
import sys
from datetime import date, datetime, timezone

import duckdb

TABLES = ["repositories", "tags", "manifests", "changes", "runs"]
# Lists, which Postgres holds as JSON.
NESTED = ["child_digests", "layers", "notes", "errors"]


def files(place):
    """The tree that a sink of files writes."""
    read = "from read_parquet('{}/v1/{}/*/*/*.parquet', hive_partitioning = true)"
    return {table: duckdb.execute(read.format(place, table)).to_arrow_table().to_pylist() for table in TABLES}


def database(place):
    """A file of DuckDB."""
    with duckdb.connect(place, read_only=True) as connection:
        return {table: connection.execute(f"from {table}").to_arrow_table().to_pylist() for table in TABLES}


def postgres(place):
    def rows(table):
        query = f"select coalesce(json_agg(t), '[]') from stocktake.{table} t"
        command = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "-d", place, "-c", query]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    return {table: rows(table) for table in TABLES}


def plain(name, value):
    if name in NESTED and isinstance(value, str):
        return json.loads(value)
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if name.endswith("_at") and isinstance(value, str):
        return datetime.fromisoformat(value).astimezone(timezone.utc).isoformat()
    return value


def replayed(tables):
    """The first night, and the changes of all nights after it."""
    runs = sorted(row["run_id"] for row in tables["runs"] if row["verdict"] in ("complete", "gaps"))
    known = {row["repository"]: {} for row in tables["repositories"] if row["run_id"] == runs[0]}
    for row in tables["tags"]:
        if row["run_id"] == runs[0]:
            known[row["repository"]][row["tag"]] = row["digest"]
    changes = [row for row in tables["changes"] if row["run_id"] > runs[0]]
    for row in sorted(changes, key=lambda row: (row["run_id"], row["entity"], row["repository"], row["tag"] or "")):
        repository, tag, op = row["repository"], row["tag"], row["op"]
        if tag is None and op == "added":
            known[repository] = {}
        elif tag is None:
            del known[repository]
        elif op == "removed":
            # The repository may have gone before its tags.
            known.get(repository, {}).pop(tag, None)
        else:
            known[repository][tag] = row["new_digest"]
    return known


def shown(tables):
    rows = {
        table: [{name: plain(name, value) for name, value in row.items()} for row in found]
        for table, found in tables.items()
    }
    as_text = {table: sorted(json.dumps(row, sort_keys=True) for row in found) for table, found in rows.items()}
    return {"tables": as_text, "known": replayed(rows)}


read = {"files": files, "duckdb": database, "postgres": postgres}
places = [argument.split("=", 1) for argument in sys.argv[1:]]
print(json.dumps([shown(read[kind](place)) for kind, place in places]))
