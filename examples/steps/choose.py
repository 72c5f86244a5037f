"""Says which of the classifiers is the better one: ``choose.py NAME=ACCURACY ...``."""

import sys

import bis

accuracies = {name: float(text) for name, _, text in (word.partition("=") for word in sys.argv[1:])}
best = max(accuracies, key=lambda name: accuracies[name])
bis.set_tag("best", best)
bis.log_metric("accuracy", accuracies[best])
print(f"{best}: {accuracies[best]:.3f}")
