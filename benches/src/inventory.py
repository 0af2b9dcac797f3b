"""Times the two queries in turn and prints their medians."""

import statistics
import sys
import time

import duckdb

root, rounds = sys.argv[1], int(sys.argv[2])
QUERIES = {
    "join": f"select registry, count(*) from read_parquet('{root}/v1/repositories/*/*/*.parquet') "
    f"join read_json('{root}/v1/_latest/*.json') using (run_id) group by registry order by registry",
    "latest": f"select registry, count(*) from read_parquet('{root}/v1/latest/repositories/*/*.parquet') "
    "group by registry order by registry",
}
times = {name: [] for name in QUERIES}
for _ in range(rounds):
    answers = []
    for name, query in QUERIES.items():
        # A session of its own: nothing is kept from the query before.
        begun = time.perf_counter()
        answers.append(duckdb.connect().execute(query).fetchall())
        times[name].append(time.perf_counter() - begun)
    assert answers[0] == answers[1] and len(answers[0]) == 100, answers
join, latest = (statistics.median(times[name]) for name in ("join", "latest"))
print(f"join {join:.3f} s, latest/ {latest:.3f} s: {latest / join:.4f} x")
