"""Train two versions of a classifier of handwritten digits.

Both are logistic regressions, so they cost the same to serve; v1 saw 150
digits, v2 saw 900, and reads better for it. The other 897 digits are held out
and written to held-out.csv, one a line: 64 pixels of 0..16 and the label. The
same libraries give the same files every time.

The digits are those of Alpaydin and Kaynak, Optical Recognition of Handwritten
Digits, UCI Machine Learning Repository (CC BY 4.0), as shipped with
scikit-learn.
"""

import csv
import os
from functools import partial
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

HERE = Path(__file__).resolve().parent
SEEN_BY = {"v1": 150, "v2": 900}


def write(path, save):
    """Write a file completely or not at all."""
    part = path.with_name(path.name + ".part")
    save(part)
    os.replace(part, path)


def save_held_out(pixels, labels):
    def save(path):
        with open(path, "w", newline="") as out:
            rows = np.column_stack([pixels, labels]).astype(int)
            csv.writer(out, lineterminator="\n").writerows(rows.tolist())

    write(HERE / "held-out.csv", save)


def main():
    digits = load_digits()
    order = np.random.default_rng(1).permutation(len(digits.target))
    pixels, labels = digits.data[order], digits.target[order]
    held = max(SEEN_BY.values())
    held_pixels, held_labels = pixels[held:], labels[held:]
    for name, seen in SEEN_BY.items():
        model = LogisticRegression(C=0.01, max_iter=1000).fit(pixels[:seen], labels[:seen])
        right = model.score(held_pixels, held_labels)
        write(HERE / "versions" / name / "model.joblib", partial(joblib.dump, model))
        print(f"{name}: learned from {seen} digits, reads {right:.1%} of {len(held_labels)} held-out digits")
    save_held_out(held_pixels, held_labels)


if __name__ == "__main__":
    main()
