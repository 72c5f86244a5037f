"""Draws two clouds of points and writes them as two files, one to learn from and one to test with."""

import csv
import io
import random
import sys

import bis

samples, test_share = int(sys.argv[1]), float(sys.argv[2])
points = []
for index in range(samples):
    label = index % 2
    points.append((random.gauss(label * 1.5, 1), random.gauss(label * 1.5, 1), label))
cut = int(samples * test_share)
for name, part in (("test.csv", points[:cut]), ("train.csv", points[cut:])):
    text = io.StringIO()
    csv.writer(text).writerows(part)
    bis.log_text(text.getvalue(), name)
bis.log_metric("samples", samples)
