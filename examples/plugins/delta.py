#!/usr/bin/env python3
"""Loads snapshots into Delta Lake: `command: [./delta.py, /srv/delta]`, with a Delta table for each of our tables.

Needs `pip install deltalake pyarrow`. A commit replaces the rows of one run in one table, and nothing else. The
transaction (`txn`) of that commit names the run and its generation: a run that is there already is not written again.
Delta has no transaction over several tables; `runs` is written last, so a run that stands there is whole.
"""

import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from stocktake_plugin import PluginError, check_directory, main


def load(snapshot, root):
    return {table: load_table(snapshot, table, f"{root}/{table}") for table in snapshot.tables}


def load_table(snapshot, table, location):
    rows = snapshot.rows(table)
    delta = DeltaTable.create(location, rows.schema, mode="ignore", partition_by=["registry", "snapshot_date"])
    done = delta.transaction_version(snapshot.run_id)
    if done is None or done < snapshot.generation:
        write_deltalake(
            delta,
            rows,
            mode="overwrite",
            schema_mode="merge",  # columns that a later version of stocktake adds
            predicate=f"registry = '{snapshot.registry}' AND snapshot_date = '{snapshot.date}' "
            f"AND run_id = '{snapshot.run_id}'",
            commit_properties=CommitProperties(app_transactions=[Transaction(snapshot.run_id, snapshot.generation)]),
        )
    return count(DeltaTable(location), snapshot)


def count(delta, snapshot):
    """What a reader finds. Only files of this registry and date are opened."""
    of_this_run = (
        (pc.field("registry") == snapshot.registry)
        & (pc.field("snapshot_date") == snapshot.date)
        & (pc.field("run_id") == snapshot.run_id)
    )
    return delta.to_pyarrow_dataset().count_rows(filter=of_this_run)


def probe(root=None):
    if root is None:
        raise PluginError("invalid", "name the directory of the Delta tables: `command: [./delta.py, /srv/delta]`")
    check_directory(root)


main(load, probe)
