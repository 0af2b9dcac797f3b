#!/usr/bin/env python3
"""Loads snapshots into a DuckDB file: `command: [./duckdb_file.py, /srv/inventory.duckdb]`.

Needs `pip install duckdb pyarrow`. One transaction loads all tables of a run, so readers find all of it or nothing. The
table `commits` has the runs that were loaded; a run that is there already is not loaded again.
"""

import duckdb
from stocktake_plugin import PluginError, check_directory, main


def load(snapshot, file):
    try:
        database = duckdb.connect(file)
    except duckdb.IOException as error:
        # Another process writes to the file: stocktake tries again.
        raise PluginError("unavailable", f"cannot open {file}: {error}")
    key = [snapshot.registry, snapshot.run_id, snapshot.generation]
    with database:
        database.execute("create table if not exists commits (registry text, run_id text, generation integer)")
        database.begin()
        done = database.execute("from commits where registry = ? and run_id = ? and generation >= ?", key)
        if not done.fetchone():
            for table in snapshot.tables:
                load_table(database, snapshot, table)
            database.execute("insert into commits values (?, ?, ?)", key)
        rows = {table: count(database, snapshot, table) for table in snapshot.tables}
        database.commit()
    return rows


def load_table(database, snapshot, table):
    # A relation, since DuckDB takes no parameters in DDL.
    rows = database.read_parquet(snapshot.path(table)).project(
        f"*, '{snapshot.registry}' as registry, date '{snapshot.date}' as snapshot_date"
    )
    database.execute(f"create table if not exists {table} as from rows limit 0")
    for column, kind in zip(rows.columns, rows.types):  # columns that a later version of stocktake adds
        database.execute(f'alter table {table} add column if not exists "{column}" {kind}')
    # What an earlier generation has left.
    database.execute(f"delete from {table} where registry = ? and run_id = ?", [snapshot.registry, snapshot.run_id])
    database.execute(f"insert into {table} by name from rows")


def count(database, snapshot, table):
    query = f"select count(*) from {table} where registry = ? and run_id = ?"
    return database.execute(query, [snapshot.registry, snapshot.run_id]).fetchone()[0]


def probe(file=None):
    if file is None:
        raise PluginError("invalid", "name the file: `command: [./duckdb_file.py, /srv/inventory.duckdb]`")
    check_directory(file)


main(load, probe)
