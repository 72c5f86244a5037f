"""The steps as calls of a script: each is a run inside its run, and is reused when nothing has changed."""

import sys

import bis

neighbours = sys.argv[1]
data = bis.run(".", "prepare", reuse=True).artifact_uri
runs = [
    bis.run(".", "centroid_of", parameters={"data": data}, reuse=True, synchronous=False),
    bis.run(
        ".",
        "neighbours_of",
        parameters={"data": data, "neighbours": neighbours},
        reuse=True,
        synchronous=False,
    ),
]
for run in runs:
    run.wait()
best = max(runs, key=lambda run: run.metrics["accuracy"])
bis.log_metric("accuracy", best.metrics["accuracy"])
print(best.run_id, best.metrics["accuracy"])
