#!/usr/bin/env python3
"""Send held-out digits through Belay and report what was read right.

It needs nothing but Python. Requests leave at a steady rate whether or not
earlier ones were answered; a second after an answer its outcome is reported
under the token that came with it. Every five seconds a line tells how many
requests each arm answered and how many of them were right; Ctrl-C ends it.
"""

import argparse
import csv
import http.client
import itertools
import json
import queue
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

HELD_OUT = Path(__file__).resolve().parent / "held-out.csv"
WORKERS = 16
LABEL_DELAY = 1.0
REPORT_EVERY = 5.0


class Tally(Counter):
    """Counts that several threads add to."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

    def add(self, **numbers):
        with self.lock:
            self.update(numbers)


class Connection:
    """One kept connection that is opened again when the server closed it."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.http = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=10)

    def post(self, path, body):
        try:
            self.http.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = self.http.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            self.http.close()
            raise


def read_digits():
    with open(HELD_OUT, newline="") as rows:
        return [([int(v) for v in row[:64]], int(row[64])) for row in csv.reader(rows)]


def ask(connection, number, pixels):
    """Ask for one digit; returns the arm, the token and what was read."""
    status, headers, body = connection.post(
        "/v2/models/digits/infer",
        {
            "id": str(number),
            "inputs": [{"name": "pixels", "shape": [1, 64], "datatype": "FP32", "data": pixels}],
        },
    )
    if status != 200:
        raise OSError(f"status {status}")
    read = json.loads(body)["outputs"][0]["data"][0]
    return headers.get("Belay-Arm", "none"), headers.get("Belay-Assignment"), read


def work(args, due, labels, counts):
    connection = Connection(args.url)
    while True:
        number, (pixels, label) = due.get()
        try:
            arm, token, read = ask(connection, number, pixels)
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            counts.add(failed=1)
            print(f"request {number}: {error}", file=sys.stderr)
            continue
        right = int(read == label)
        counts.add(**{f"{arm} answered": 1, f"{arm} right": right})
        if token:
            outcome = {"id": f"{args.run}-{number}", "assignment": token, "metric": "correct", "value": right}
            labels.put((time.monotonic() + LABEL_DELAY, outcome))


def report_labels(args, labels):
    """Send outcomes that are due, many in one request."""
    connection = Connection(args.admin)
    waiting = []
    while True:
        time.sleep(0.25)
        while not labels.empty():
            waiting.append(labels.get())
        now = time.monotonic()
        due = [outcome for when, outcome in waiting if when <= now][:500]
        if not due:
            continue
        try:
            status, _, body = connection.post("/api/v1/outcomes", {"outcomes": due})
        except (OSError, http.client.HTTPException) as error:
            print(f"outcomes: {error}; trying again", file=sys.stderr)
            continue
        if status >= 300:
            print(f"outcomes: status {status}: {body[:200]!r}", file=sys.stderr)
        sent = {outcome["id"] for outcome in due}
        waiting = [(when, outcome) for when, outcome in waiting if outcome["id"] not in sent]


def summary(counts):
    parts = []
    for arm in ("baseline", "candidate", "none"):
        answered = counts[f"{arm} answered"]
        if answered:
            parts.append(f"{arm} {answered} answered, {counts[f'{arm} right'] / answered:.1%} right")
    return "; ".join(parts + [f"{counts['failed']} failed"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="where Belay takes traffic")
    parser.add_argument("--admin", default="http://127.0.0.1:7070", help="where Belay takes outcomes")
    parser.add_argument("--rate", type=float, default=100, help="requests a second")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    args = parser.parse_args()
    args.run = f"{time.time_ns():x}"

    digits = read_digits()
    due, labels, counts = queue.Queue(maxsize=1000), queue.Queue(), Tally()
    for _ in range(WORKERS):
        threading.Thread(target=work, args=(args, due, labels, counts), daemon=True).start()
    threading.Thread(target=report_labels, args=(args, labels), daemon=True).start()

    start = told = time.monotonic()
    for number in itertools.count():
        at = start + number / args.rate
        if at - start > args.seconds:
            break
        time.sleep(max(0.0, at - time.monotonic()))
        due.put((number, random.choice(digits)))
        if time.monotonic() - told >= REPORT_EVERY:
            told = time.monotonic()
            print(summary(counts), flush=True)
    time.sleep(LABEL_DELAY + 1)
    print(summary(counts))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        pass
