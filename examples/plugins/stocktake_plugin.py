"""The protocol of stocktake's exec sink, version 1: what the Python plugins of this directory share.

`docs/PROTOCOL.md` is the specification. A plugin calls `main` with two functions: one loads a snapshot and
returns how many rows of each table it then has, the other one looks whether loading could work.
"""

import json
import os
import sys
import traceback
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


class PluginError(Exception):
    """An error that stocktake treats by its kind: unavailable (tried again soon), full, forbidden or invalid."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class Snapshot:
    """The directory that stocktake hands over."""

    def __init__(self, directory):
        self.directory = Path(directory)
        manifest = json.loads((self.directory / "manifest.json").read_text())
        if manifest["protocol"] != 1:
            raise PluginError("invalid", f"this plugin speaks protocol 1, not {manifest['protocol']}")
        self.registry = manifest["registry"]
        self.run_id = manifest["run_id"]
        self.generation = manifest["generation"]
        self.date = manifest["snapshot_date"]
        self.objects = {each["table"]: each for each in manifest["objects"]}

    @property
    def tables(self):
        """The tables of this night. `runs` is the last one: a reader who finds the run there finds all of it."""
        return sorted(self.objects, key=lambda table: (table == "runs", table))

    def path(self, table):
        return str(self.directory / self.objects[table]["key"])

    def rows(self, table):
        """The rows in batches, with the registry and the date as columns; never the whole table in memory."""
        file = pq.ParquetFile(self.path(table))
        added = {"registry": self.registry, "snapshot_date": self.date}
        # Metadata of the file's writer does not belong into another table.
        schema = pa.schema([*file.schema_arrow, *(pa.field(name, pa.string(), False) for name in added)])

        def batches():
            for batch in file.iter_batches(batch_size=65_536):
                constants = [pa.array([value] * len(batch), pa.string()) for value in added.values()]
                yield pa.RecordBatch.from_arrays([*batch.columns, *constants], schema=schema)

        return pa.RecordBatchReader.from_batches(schema, batches())


def main(load, probe):
    """Does what the last argument says, and prints the answer: one line, the last one on standard output."""
    *settings, last = sys.argv[1:]
    try:
        if last == "--probe":
            probe(*settings)
            answer = {"ok": True}
        else:
            answer = {"ok": True, "rows": load(Snapshot(last), *settings)}
    except PluginError as error:
        answer = {"ok": False, "kind": error.kind, "error": str(error)}
    except Exception as error:
        # stocktake shows the end of standard error.
        traceback.print_exc()
        answer = {"ok": False, "kind": "unavailable", "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
    sys.exit(0 if answer["ok"] else 1)


def check_directory(path):
    """For a probe: whether files can be written there, or where it would be made."""
    there = next(each for each in [Path(path).absolute(), *Path(path).absolute().parents] if each.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise PluginError("forbidden", f"cannot write to {there}")
