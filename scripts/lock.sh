#!/bin/sh
# Writes requirements/constraints.txt anew from pyproject.toml (needs uv: https://docs.astral.sh/uv).
# Versions already pinned stay unless asked for: scripts/lock.sh --upgrade, or --upgrade-package NAME.
set -eu
cd "$(dirname "$0")/.."
locked=$(mktemp)
trap 'rm -f "$locked"' EXIT
cp requirements/constraints.txt "$locked"
uv pip compile --quiet --universal --python-version 3.10 --all-extras --no-annotate --no-header \
  "$@" pyproject.toml --output-file "$locked"
{
  echo "# Every version of everything that pyproject.toml asks for: Linux on x86-64, Python 3.10 to 3.13."
  echo "# Written by scripts/lock.sh; ROS 2 itself is in ros.txt."
  sed -e "s/platform_machine == 'x86_64' and //" -e "s/ and platform_machine == 'x86_64'//" \
    -e "s/ and python_full_version < '3.14'//" -e "s/python_full_version < '3.14' and //" -e "s/ ; python_full_version < '3.14'//" \
    -e "s/ and sys_platform == 'linux'//" -e "s/ ; sys_platform == 'linux'//" "$locked"
} > requirements/constraints.txt
