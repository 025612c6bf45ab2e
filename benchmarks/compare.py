"""How much faster or slower one commit is than another: ratios of the same benchmark, taken in turns on one machine.

Checks both out into scratch worktrees, runs a benchmark of this checkout on the package of one and of the other in
turns, and prints for each case the ratio of the second to the first: the median over the rounds, and the spread.

python benchmarks/compare.py HEAD~5 HEAD [--benchmark core] [--rounds 3] [-- --faces 1 --sizes 1280x720 --seconds 2]

What follows ``--`` goes to the benchmark. Both commits run with the messages that are built here, so they need to have
the same ones.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIGURES = {"median_ms": "median", "p99_ms": "99 %", "cpu_ms": "CPU", "peak_mb": "memory"}
Rows = dict[tuple[str, str, str], dict[str, float]]


def main() -> int:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commits", nargs=2, metavar="COMMIT", help="before and after")
    parser.add_argument("--benchmark", default="core", help="name of a file beside this one (default: core)")
    parser.add_argument("--rounds", type=int, default=3)
    own, rest = _split(sys.argv[1:])
    args = parser.parse_args(own)
    with tempfile.TemporaryDirectory() as folder:
        trees = [_check_out(commit, Path(folder) / str(i)) for i, commit in enumerate(args.commits)]
        try:
            rounds = [[_run(args.benchmark, tree, rest) for tree in trees] for _ in range(args.rounds)]
        finally:
            for tree in trees:
                subprocess.run(["git", "-C", HERE, "worktree", "remove", "--force", tree], check=True)
    _show(args.commits, rounds)
    return 0


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return list(arguments[:place]), list(arguments[place + 1 :])


def _check_out(commit: str, tree: Path) -> Path:
    command = ["git", "-C", HERE, "worktree", "add", "--quiet", "--detach", tree, commit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"compare.py: expected a commit, got {commit!r}: {done.stderr.strip()}")
    return tree


def _run(benchmark: str, tree: Path, arguments: Sequence[str]) -> Rows:
    """One run on the package in `tree`."""
    out = tree / "bench.json"
    # Python imports sitecustomize from the path by itself, in the benchmark and in all processes that it starts.
    path = os.pathsep.join([str(HERE / "common" / "other_source"), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "BENCHMARK_SOURCE": str(tree)}
    command = [sys.executable, str(HERE / f"{benchmark}.py"), *arguments, "--out", str(out)]
    subprocess.run(command, env=env, check=True, stdout=sys.stderr)
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    return {(row["what"], str(row["faces"]), str(row["size_wh"])): row["timing"] for row in rows}


def _show(commits: Sequence[str], rounds: Sequence[Sequence[Rows]]) -> None:
    ratios: dict[tuple[tuple[str, str, str], str], list[float]] = defaultdict(list)
    for before, after in rounds:
        for case in before.keys() & after.keys():
            for figure in FIGURES:
                if before[case][figure] and after[case][figure]:
                    ratios[case, figure].append(after[case][figure] / before[case][figure])
    print(
        f"{commits[1]} over {commits[0]}: below 1 is faster or smaller; median of {len(rounds)} rounds (least - most)"
    )
    print("| what | faces | size | " + " | ".join(FIGURES.values()) + " |")
    print("|---" * (3 + len(FIGURES)) + "|")
    for case in rounds[0][0]:
        cells = [_cell(ratios[case, figure]) for figure in FIGURES]
        size = "x".join(case[2].strip("[]").split(", "))
        print(f"| {case[0]} | {case[1]} | {size} | " + " | ".join(cells) + " |")


def _cell(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} - {max(values):.2f})" if values else "-"


if __name__ == "__main__":
    raise SystemExit(main())
