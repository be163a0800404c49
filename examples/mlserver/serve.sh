#!/usr/bin/env bash
# serve.sh VERSION PORT: serves one version in the foreground, on loopback, until
# it gets SIGINT or SIGTERM. It is ready when
# http://127.0.0.1:PORT/v2/models/digits/ready answers 200.
# Metrics are at METRICS_PORT if that is set; gRPC takes any free port.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${MLSERVER_VENV:-$here/../../.cache/venv/mlserver}

if [[ $# -ne 2 || ! -d $here/versions/${1:-} || ! ${2:-} =~ ^[0-9]+$ ]]; then
	echo "usage: serve.sh v1|v2 PORT" >&2
	exit 2
fi
if [[ ! -x $venv/bin/mlserver || ! -f $here/versions/$1/model.joblib ]]; then
	echo "serve.sh: run examples/mlserver/setup.sh first" >&2
	exit 1
fi

export MLSERVER_HTTP_PORT=$2
export MLSERVER_GRPC_PORT=0
export MLSERVER_METRICS_PORT=${METRICS_PORT:-0}
# One digit is no work for several threads.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
exec "$venv/bin/mlserver" start "$here/versions/$1"
