"""Runs what a page of docs/sql says, section by section, and prints the answers as JSON: for each heading the rows of its
queries. A time is printed as its date in UTC.

answers.py duckdb|polars|postgres PAGE DIGEST [ARGUMENTS OF psql]
"""

import json
import re
import subprocess
import sys
from datetime import date, datetime, timezone

engine, page, digest, *psql = sys.argv[1:]

# What the blocks of Python assign, in the order in which the queries of the other pages stand.
ANSWERS = {
    "The current inventory": ["counts", "inventory"],
    "What changed this week": ["change_counts", "changes"],
    "The history of a tag": ["history"],
    "Storage by team": ["storage"],
    "Where a digest is deployed from": ["deployed_from"],
    "Stale tags": ["stale"],
    "Incomplete nights": ["incomplete"],
}


def sections():
    """Headings with the text of their blocks."""
    text = open(page, encoding="utf-8").read().replace("sha256:the-digest-that-runs", digest)
    for section in text.split("\n## ")[1:]:
        heading = section.split("\n", 1)[0]
        blocks = re.findall(r"```(?:sql|python)\n(.*?)```", section, re.DOTALL)
        yield heading, "\n".join(blocks)


def plain(value):
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
        return value[:10]
    return value


def by_duckdb():
    import duckdb

    session = duckdb.connect()
    session.execute("set timezone = 'UTC'")
    for heading, text in sections():
        answers = []
        for statement in session.extract_statements(text):
            is_query = statement.type == duckdb.StatementType.SELECT
            rows = session.execute(statement).fetchall()
            if is_query:
                answers.append(rows)
        yield heading, answers


def by_polars():
    names = {}
    for heading, text in sections():
        exec(text, names)
        yield heading, [names[name].rows() for name in ANSWERS.get(heading, [])]


def by_postgres():
    """One session, because the views are temporary. A line that is JSON is the answer of a query."""
    script, order = [], []
    for heading, text in sections():
        for statement in (part.strip() for part in re.split(r";\s*(?:\n|$)", text)):
            bare = re.sub(r"^(--.*\n)*", "", statement)
            if bare.startswith(("select", "with")):
                order.append(heading)
                script.append(f"select coalesce(json_agg(q), '[]') from (\n{statement}\n) q;")
            elif statement:
                script.append(statement + ";")
    command = ["psql", *psql, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "-v", "ON_ERROR_STOP=1"]
    ended = subprocess.run(command, input="\n".join(["set timezone = 'UTC';", *script]), capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(ended.stderr)
    answers = {}
    # A list of objects is printed over several lines.
    decoder, rest = json.JSONDecoder(), ended.stdout.strip()
    for heading in order:
        rows, end = decoder.raw_decode(rest)
        rest = rest[end:].strip()
        answers.setdefault(heading, []).append([list(row.values()) for row in rows])
    yield from answers.items()


found = {"duckdb": by_duckdb, "polars": by_polars, "postgres": by_postgres}[engine]()
found = {heading: [[[plain(v) for v in row] for row in rows] for rows in answers] for heading, answers in found}
json.dump({heading: answers for heading, answers in found.items() if answers}, sys.stdout)
