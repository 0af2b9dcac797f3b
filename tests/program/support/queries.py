"""Runs the SQL of a page with DuckDB, all blocks in one session, and prints the rows of each query as JSON."""

import json
import sys

import duckdb

blocks = open(sys.argv[1], encoding="utf-8").read().split("```sql\n")[1:]
session = duckdb.connect()
answers = []
for statement in session.extract_statements("".join(block.split("```")[0] for block in blocks)):
    is_query = statement.type == duckdb.StatementType.SELECT
    rows = session.execute(statement).fetchall()
    if is_query:
        answers.append(rows)
json.dump(answers, sys.stdout, default=str)
