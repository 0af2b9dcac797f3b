"""Makes the models of docs/sql/dbt as dbt does, with the parts of its Jinja that they use, and prints the rows of each as JSON.
dbt itself is many times larger than what it would do here.

dbt_models.py PROJECT duckdb|postgres [ARGUMENTS OF psql]
"""

import json
import pathlib
import subprocess
import sys
from datetime import date, datetime, timezone
from types import SimpleNamespace

import jinja2
import yaml

project, engine, *psql = sys.argv[1:]
models = {path.stem: path.read_text(encoding="utf-8") for path in pathlib.Path(project, "models").rglob("*.sql")}
sources = yaml.safe_load(pathlib.Path(project, "models/sources.yml").read_text(encoding="utf-8"))["sources"]
used = set()


def source(name, table):
    found = next(source for source in sources if source["name"] == name)
    table = next(one for one in found["tables"] if one["name"] == table)
    if engine == "postgres":
        return f"{found['schema']}.{table.get('identifier', table['name'])}"
    location = table.get("meta", found["meta"])["external_location"]
    return location.format(name=table["name"])


def ref(name):
    used.add(name)
    return name


made = {}
while len(made) < len(models):
    before = len(made)
    for name, text in sorted(models.items()):
        used.clear()
        target = SimpleNamespace(type=engine)
        sql = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(text).render(source=source, ref=ref, target=target)
        if name not in made and used <= made.keys():
            made[name] = sql
    if len(made) == before:
        sys.exit(f"models that need each other, or one that is not there: {sorted(models.keys() - made.keys())}")


def plain(value):
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and len(value) > 10 and value[10] == "T" and value[:4].isdigit():
        return value[:10]
    return value


def by_duckdb():
    import duckdb

    session = duckdb.connect()
    session.execute("set timezone = 'UTC'")
    for name, sql in made.items():
        session.execute(f"create view {name} as {sql}")
    for name in made:
        yield name, session.execute(f"from {name}").fetchall()


def by_postgres():
    script = ["set timezone = 'UTC';", *(f"create temporary view {name} as {sql};" for name, sql in made.items())]
    script += [f"select coalesce(json_agg(q), '[]') from {name} q;" for name in made]
    command = ["psql", *psql, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "-v", "ON_ERROR_STOP=1"]
    ended = subprocess.run(command, input="\n".join(script), capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(ended.stderr)
    decoder, rest = json.JSONDecoder(), ended.stdout.strip()
    for name in made:
        rows, end = decoder.raw_decode(rest)
        rest = rest[end:].strip()
        yield name, [list(row.values()) for row in rows]


found = {"duckdb": by_duckdb, "postgres": by_postgres}[engine]()
# A view has no order.
found = {name: sorted(([plain(v) for v in row] for row in rows), key=json.dumps) for name, rows in found}
json.dump(found, sys.stdout)
