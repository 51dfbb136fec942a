"""Writes the golden of logistic regression: scikit-learn's probabilities.

    pip install -r requirements.txt && python generate.py OUT_DIR
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression


def case(name, n, n_features, n_classes, c, noise):
    """Features are multiples of 1/64, so that they are the same in single precision."""
    rng = random.Random(name)
    centres = [[rng.uniform(-1, 1) for _ in range(n_features)] for _ in range(n_classes)]
    labels = [at % n_classes for at in range(n)]
    rows = [[round(64 * (x + rng.gauss(0, noise))) / 64 for x in centres[label]] for label in labels]
    classifier = LogisticRegression(C=c, tol=1e-12, max_iter=100_000).fit(np.array(rows), labels)
    return {
        "name": name,
        "n_classes": n_classes,
        "penalty": 1 / (c * n),
        "labels": labels,
        "features": [x for row in rows for x in row],
        "log_probabilities": [round(float(x), 9) for row in classifier.predict_log_proba(np.array(rows)) for x in row],
    }


if __name__ == "__main__":
    cases = [
        case("three classes", 40, 4, 3, 1.0, 0.8),
        case("a weak penalty", 60, 3, 4, 30.0, 0.5),
        case("a strong penalty", 30, 6, 3, 0.01, 0.5),
        case("more features than rows", 12, 20, 3, 1.0, 1.0),
    ]
    text = json.dumps({"cases": cases}, indent=None, separators=(",", ":"))
    (Path(sys.argv[1]) / "logistic.json").write_text(text.replace('{"name"', '\n{"name"') + "\n")
