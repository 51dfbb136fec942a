"""Writes the goldens of classification: scikit-learn's accuracy, Matthews correlation and macro F1.

    pip install -r requirements.txt && python generate_confusion.py OUT_DIR
"""

import json
import random
import sys
import warnings
from pathlib import Path

from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef


def case(name, n_classes, classes, guesses):
    """F1 runs over all classes, also those without examples and guesses."""
    labels = list(range(n_classes))
    return {
        "name": name, "n_classes": n_classes, "classes": classes, "guesses": guesses,
        "accuracy": accuracy_score(classes, guesses), "matthews": matthews_corrcoef(classes, guesses),
        "macro_f1": f1_score(classes, guesses, labels=labels, average="macro", zero_division=0.0),
    }  # fmt: skip


def drawn(name, n_classes, n, right):
    rng = random.Random(name)
    classes = [rng.randrange(n_classes) for _ in range(n)]
    guesses = [c if rng.random() < right else rng.randrange(n_classes) for c in classes]
    return case(name, n_classes, classes, guesses)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    cases = [
        drawn("two classes", 2, 60, 0.6),
        drawn("five classes", 5, 200, 0.3),
        drawn("by chance", 3, 90, 0.0),
        case("all right", 3, [0, 1, 2, 2], [0, 1, 2, 2]),
        case("all wrong", 2, [0, 1, 1, 0], [1, 0, 0, 1]),
        case("one guess for all", 2, [0, 1, 1, 1], [1, 1, 1, 1]),
        case("one class", 2, [1, 1, 1], [1, 0, 1]),
        case("a class that is nowhere", 4, [0, 1, 2, 0], [0, 1, 1, 2]),
    ]
    text = json.dumps(cases, indent=1)
    (Path(sys.argv[1]) / "confusion.json").write_text(text + "\n", encoding="utf-8")
