"""The curve of recall over false alarms, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from monitor_bench.real import ALLOWED_PER_HOUR, Point

#: Okabe and Ito's colours with a marker each.
_STYLES = {
    "monitor": ("#D55E00", "o"),
    "smoothed threshold": ("#0072B2", "s"),
    "PageHinkley": ("#009E73", "^"),
    "ADWIN": ("#CC79A7", "v"),
    "KSWIN": ("#E69F00", "D"),
}
#: Rates below this are drawn here: a logarithmic axis has no zero.
_LOWEST = 0.05
_HIGHEST = 60.0


def write_curves(path: Path, cases: Mapping[str, Sequence[Point]], title: str) -> None:
    """Draw recall and median delay over false alarms an hour, a column for each case."""
    figure = Figure(figsize=(5.2 * len(cases), 8.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(cases), squeeze=False)
    for column, (case, points) in enumerate(cases.items()):
        for row, (name, value) in enumerate((("recall", "recall"), ("median delay [s]", "median_s"))):
            axis = axes[row, column]
            for method, (colour, marker) in _STYLES.items():
                mine = frontier([p for p in points if p.method == method])
                if mine:
                    x = [max(p.score.false_per_hour, _LOWEST) for p in mine]
                    y = [getattr(p.score, value) for p in mine]
                    axis.plot(x, y, color=colour, marker=marker, markersize=4, label=method)
            axis.axvline(ALLOWED_PER_HOUR, color="0.6", linewidth=0.8)
            axis.set_xscale("log")
            axis.set_xlim(_LOWEST, _HIGHEST)
            axis.set_ylim(0.0, 1.0 if value == "recall" else 8.0)
            axis.set_xlabel("false alarms per passenger-hour")
            axis.set_ylabel(name)
            axis.grid(alpha=0.3)
        axes[0, column].set_title(case, fontsize=10)
    axes[0, 0].legend(fontsize=8)
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def frontier(points: Sequence[Point]) -> list[Point]:
    """Return, in order of false alarms, the points that no other one beats in both false alarms and recall."""
    result: list[Point] = []
    for point in sorted(points, key=lambda p: (p.score.false_per_hour, -p.score.recall)):
        if not result or point.score.recall > result[-1].score.recall:
            result.append(point)
    return result
