#!/usr/bin/env bash
# Installs MLServer into a virtual environment under .cache/venv and trains both
# versions. Does nothing the second time, until the requirements or the training
# change. Output: one line for each step that was needed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${MLSERVER_VENV:-$here/../../.cache/venv/mlserver}
python=${PYTHON:-python3}

mkdir -p "$venv"
venv=$(cd "$venv" && pwd)
# Two runs at once would install into each other.
exec 9>"$venv.lock"
if command -v flock >/dev/null; then flock 9; fi

stamp() { cat "$@" | sha256sum | cut -d ' ' -f 1; }

# done_before NAME STAMP says whether the step was finished for this very input.
done_before() { [[ -f $venv/.$1 && $(<"$venv/.$1") == "$2" ]]; }

want=$(stamp "$here/requirements.txt")
if ! done_before installed "$want"; then
	echo "mlserver: installing into $venv"
	"$python" -m venv --clear "$venv"
	"$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check -r "$here/requirements.txt"
	echo "$want" >"$venv/.installed"
fi

want=$(stamp "$here/requirements.txt" "$here/train.py")
models=("$here"/versions/v1/model.joblib "$here"/versions/v2/model.joblib "$here"/held-out.csv)
if ! done_before trained "$want" || ! ls "${models[@]}" >/dev/null 2>&1; then
	echo "mlserver: training"
	"$venv/bin/python" "$here/train.py"
	echo "$want" >"$venv/.trained"
fi
