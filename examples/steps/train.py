"""Learns to tell the clouds apart, and logs how often it is right."""

import argparse
import csv
import json
from pathlib import Path

import bis


def read(file):
    with file.open() as lines:
        return [((float(x), float(y)), int(label)) for x, y, label in csv.reader(lines)]


def squared_distance(one, other):
    return sum((a - b) ** 2 for a, b in zip(one, other))  # noqa: B905 (Python 3.8)


def centroid(train):
    means = {}
    for label in (0, 1):
        points = [point for point, of in train if of == label]
        means[label] = [sum(values) / len(points) for values in zip(*points)]  # noqa: B905
    return lambda point: min(means, key=lambda label: squared_distance(point, means[label]))


def neighbours(train, count):
    def guess(point):
        nearest = sorted(train, key=lambda each: squared_distance(point, each[0]))[:count]
        return int(sum(label for _, label in nearest) * 2 > count)

    return guess


parser = argparse.ArgumentParser()
parser.add_argument("kind", choices=["centroid", "neighbours"])
parser.add_argument("data", type=Path)
parser.add_argument("--neighbours", type=int, default=5)
args = parser.parse_args()
train, test = read(args.data / "train.csv"), read(args.data / "test.csv")
guess = centroid(train) if args.kind == "centroid" else neighbours(train, args.neighbours)
right = sum(guess(point) == label for point, label in test)
bis.log_metric("accuracy", right / len(test))
bis.log_text(json.dumps({"kind": args.kind, "right": right, "of": len(test)}), "result.json")
