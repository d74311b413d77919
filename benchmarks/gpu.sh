#!/bin/sh
# Checks, then timings, then the table, on a CUDA device; without one it says so and ends with 0.
#   benchmarks/gpu.sh [--quick] [--model FOLDER] [--results FILE]       PYTHON names the interpreter
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python}
if "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    "$python" -m pytest -q -m gpu tests/encoder/test_unpadded.py
fi
exec "$python" -m benchmarks.gpu "$@"
