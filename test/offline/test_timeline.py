"""The timeline picture: it is a PNG, it shows what it should, and odd inputs do not break it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, FrameEmotions
from emotional_dan_ros.offline import timeline
from emotional_dan_ros.offline.history import History

MakeEmotions = Callable[..., FrameEmotions]
MakeEvent = Callable[..., AnomalyEvent]


def _history(make_emotions: MakeEmotions, ids: tuple[int, ...], seconds: float = 3.0) -> History:
    history = History()
    for index in range(round(seconds * 10)):
        history.add(make_emotions(100 + index / 10, ids, seed=index))
    return history


def test_axes_are_in_seconds_and_anomalies_are_marked(make_emotions: MakeEmotions, make_event: MakeEvent) -> None:
    history = _history(make_emotions, (1, 2))
    history.add_event(make_event(101.0, AnomalyPhase.START, track_id=2))
    history.add_event(make_event(102.0, AnomalyPhase.END, track_id=2, start_s=101.0))
    first, second = timeline._figure(history, "clip").axes
    assert "[s]" in second.get_xlabel()
    assert first.get_xlim() == pytest.approx((0, 2.9))
    assert [line.get_label() for line in first.get_lines()][:7] == [
        "Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger",
    ]  # fmt: skip
    assert first.get_lines()[0].get_xdata()[:3] == pytest.approx([0.0, 0.1, 0.2])
    assert not first.texts
    assert "sudden change" in second.texts[0].get_text()
    assert second.texts[0].xy[0] == pytest.approx(1.0)
    assert len(second.patches) == 1


def test_cabin_events_are_shown_for_everybody(make_emotions: MakeEmotions, make_event: MakeEvent) -> None:
    history = _history(make_emotions, (1, 2))
    history.add_event(make_event(101.0, AnomalyPhase.START, track_id=0))
    assert all("cabin" in axes.texts[0].get_text() for axes in timeline._figure(history, "clip").axes)


@pytest.mark.parametrize("ids", [(), (1,), tuple(range(1, 31))])
def test_none_one_and_many(ids: tuple[int, ...], make_emotions: MakeEmotions, tmp_path: Path) -> None:
    path = tmp_path / "timeline.png"
    timeline.write_timeline(path, _history(make_emotions, ids, seconds=1.0), "clip")
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape[1] > 1000
    assert picture.std() > 5  # something is drawn
    assert [p.name for p in tmp_path.iterdir()] == ["timeline.png"]


def test_nothing_at_all(tmp_path: Path) -> None:
    timeline.write_timeline(tmp_path / "timeline.png", History(), "empty")
    assert cv2.imread(str(tmp_path / "timeline.png")) is not None


def test_many_passengers_say_how_many_are_left_out(make_emotions: MakeEmotions) -> None:
    figure = timeline._figure(_history(make_emotions, tuple(range(1, 16)), seconds=0.3), "clip")
    assert len(figure.axes) == timeline.MAX_PASSENGERS
    assert "3 more" in figure.get_suptitle()


def test_absence_is_a_gap(make_emotions: MakeEmotions) -> None:
    history = History()
    for index in [*range(10), *range(30, 40)]:
        history.add(make_emotions(index / 10, (1,), seed=index))
    values = np.asarray(timeline._figure(history, "clip").axes[0].get_lines()[0].get_ydata())
    assert np.flatnonzero(np.isnan(values)).tolist() == [10]


def test_long_recordings_are_thinned_to_means() -> None:
    seconds = np.arange(10 * timeline.MAX_POINTS, dtype=float)
    values = np.repeat(seconds[:, None], 7, axis=1).astype(np.float32)
    thin_seconds, thin_values = timeline._thinned(seconds, values)
    assert len(thin_seconds) == timeline.MAX_POINTS
    assert thin_seconds[0] == pytest.approx(np.arange(10).mean())
    assert thin_values[-1, 3] == pytest.approx(seconds[-10:].mean())
