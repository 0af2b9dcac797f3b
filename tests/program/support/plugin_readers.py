"""What stands in the targets of plugins: `plugin_readers.py KIND=PLACE …` prints a JSON list, one entry for each.

An entry has all rows of each table with registry and date, sorted, and how many commits the target has.
"""

import glob
import json
import sys


def delta(place):
    from deltalake import DeltaTable

    tables, commits = {}, 0
    for location in glob.glob(f"{place}/*"):
        table = DeltaTable(location)
        tables[location.rsplit("/", 1)[1]] = table.to_pyarrow_table()
        commits += len(table.history())
    return tables, commits


def iceberg(place):
    import duckdb
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("stocktake", uri=f"sqlite:///{place}/catalog.db", warehouse=f"file://{place}")
    loaded = {name[-1]: catalog.load_table(name) for name in catalog.list_tables("stocktake")}
    commits = sum(len(table.snapshots()) for table in loaded.values())
    # pyiceberg knows the files. DuckDB reads them, since pyiceberg makes an empty list of a list that is null.
    files = {name: [task.file.file_path for task in table.scan().plan_files()] for name, table in loaded.items()}
    read = "from read_parquet([{}])"
    lists = {name: ", ".join(f"'{file}'" for file in found) for name, found in files.items()}
    return {name: duckdb.execute(read.format(found)).to_arrow_table() for name, found in lists.items()}, commits


def duckdb(place):
    import duckdb

    with duckdb.connect(place, read_only=True) as database:
        names = [name for (name,) in database.execute("select table_name from duckdb_tables()").fetchall()]
        tables = {name: database.execute(f"from {name}").to_arrow_table() for name in names}
    return tables, tables.pop("commits").num_rows


def parquet(place):
    """What the Parquet sink wrote: registry and date stand in the paths."""
    import duckdb

    names = [path.rsplit("/", 1)[1] for path in glob.glob(f"{place}/v1/[a-z]*")]
    names.remove("latest")
    read = "from read_parquet('{}/v1/{}/*/*/*.parquet', hive_partitioning=true)"
    return {name: duckdb.execute(read.format(place, name)).to_arrow_table() for name in names}, None


def plain(value):
    return value.isoformat() if hasattr(value, "isoformat") else value


def shown(tables, commits):
    def row(row):
        return json.dumps({name: plain(value) for name, value in row.items()}, sort_keys=True, default=str)

    return {"tables": {name: sorted(map(row, rows.to_pylist())) for name, rows in tables.items()}, "commits": commits}


read = {"delta": delta, "iceberg": iceberg, "duckdb": duckdb, "parquet": parquet}
print(json.dumps([shown(*read[kind](place)) for kind, place in (each.split("=", 1) for each in sys.argv[1:])]))
