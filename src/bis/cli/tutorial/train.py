"""Fit a random forest on the iris data and log its accuracy."""

import argparse
from pathlib import Path

import mlflow
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

DATA = Path(__file__).parent / "data" / "iris.csv"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning_rate", type=float, default=0.01)
    parser.add_argument("--num_epochs", type=int, default=10)
    args = parser.parse_args()

    iris = pd.read_csv(DATA)
    features, species = iris.drop(columns="species"), iris["species"]
    x_train, x_test, y_train, y_test = train_test_split(features, species, test_size=0.3)

    with mlflow.start_run():
        mlflow.log_param("learning_rate", args.learning_rate)
        mlflow.log_param("num_epochs", args.num_epochs)

        trees = max(1, round(args.learning_rate * 100))
        model = RandomForestClassifier(n_estimators=trees, max_depth=args.num_epochs)
        model.fit(x_train, y_train)
        accuracy = accuracy_score(y_test, model.predict(x_test))

        mlflow.log_metric("accuracy", accuracy)
        print(f"{trees} trees of depth {args.num_epochs}: accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
