#!/usr/bin/env python3
"""Loads snapshots into Apache Iceberg: `command: [./iceberg.py, sqlite:////srv/catalog.db, file:///srv/iceberg]`.

Needs `pip install 'pyiceberg[sql-sqlite,pyarrow]'`. The catalog is a SQL database; any other catalog of pyiceberg works
the same. A commit replaces the rows of one run in one table, and nothing else; its snapshot names the run and its
generation, and a run that is there already is not written again. A run that stands in `runs`, which is written last, is
whole.
"""

import warnings

import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import And, EqualTo
from stocktake_plugin import PluginError, main

NAMESPACE = "stocktake"
# On most nights there is nothing to delete.
warnings.filterwarnings("ignore", message="Delete operation did not match any records")


def load(snapshot, catalog_uri, warehouse):
    catalog = SqlCatalog("stocktake", uri=catalog_uri, warehouse=warehouse)
    catalog.create_namespace_if_not_exists(NAMESPACE)
    return {table: load_table(snapshot, table, catalog) for table in snapshot.tables}


def load_table(snapshot, table, catalog):
    rows = snapshot.rows(table)
    iceberg = catalog.create_table_if_not_exists(f"{NAMESPACE}.{table}", rows.schema)
    mark = f"{snapshot.run_id}.g{snapshot.generation}"
    of_this_run = And(EqualTo("registry", snapshot.registry), EqualTo("run_id", snapshot.run_id))
    if not any(each.summary and each.summary.get("stocktake.run") == mark for each in iceberg.snapshots()):
        # The name says which run it is of, so that a killed attempt leaves no second file. The file is written here since
        # pyiceberg 0.12 wants all rows in memory, and makes an empty list of a list that is null.
        file = f"{iceberg.location()}/data/{mark}.parquet"
        with iceberg.io.new_output(file).create(overwrite=True) as out, pq.ParquetWriter(out, rows.schema) as writer:
            for batch in rows:
                writer.write_batch(batch)
        with iceberg.transaction() as transaction:
            with transaction.update_schema() as update:
                update.union_by_name(rows.schema)  # columns that a later version of stocktake adds
            if not iceberg.spec().fields:
                with transaction.update_spec() as update:
                    update.add_identity("registry")
                    update.add_identity("snapshot_date")
            transaction.delete(of_this_run)
            if snapshot.objects[table]["rows"]:  # an empty file has no partition
                properties = {"stocktake.run": mark}
                transaction.add_files([file], snapshot_properties=properties, check_duplicate_files=False)
    return iceberg.scan(row_filter=of_this_run).count()


def probe(catalog_uri=None, warehouse=None):
    if warehouse is None:
        raise PluginError("invalid", "name the catalog and the warehouse: `[./iceberg.py, sqlite:///…, file:///…]`")
    SqlCatalog("stocktake", uri=catalog_uri, warehouse=warehouse, init_catalog_tables="false")


main(load, probe)
