#!/bin/sh
# What a fresh Debian or Ubuntu may lack, said in one line each with its command.
python=${1:-python3}
command -v "$python" >/dev/null || { echo "Python is missing: sudo apt-get install python3 python3-venv" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Kakitome needs Python 3.11 or newer; $python is $("$python" -V 2>&1). Try: make PYTHON=python3.12 …" >&2; exit 1; }
"$python" -c 'import venv, ensurepip' 2>/dev/null || {
  echo "Python's venv is missing: sudo apt-get install python3-venv" >&2; exit 1; }
