"""emotional-dan tune-monitor on recorded emotions."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from emotional_dan_ros.core.anomaly import AnomalyMonitor, MonitorConfig
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import Emotion, valence_matrix
from emotional_dan_ros.core.types import AnomalyPhase, EmotionState, FrameEmotions
from emotional_dan_ros.offline.mcap_writer import ResultBag
from emotional_dan_ros.offline.tune_monitor import add_arguments, run


def _ride(seconds: float, afraid_from_s: float = float("inf")) -> list[FrameEmotions]:
    frames = []
    for index in range(round(seconds * 5)):
        at_s = index / 5.0
        probabilities = np.full(7, 0.01, dtype=np.float32)
        probabilities[Emotion.FEAR if at_s >= afraid_from_s else Emotion.NEUTRAL] = 0.94
        state = EmotionState(
            3,
            np.array([100, 100, 200, 220], dtype=np.float32),
            probabilities,
            probabilities @ valence_matrix(),
            np.zeros((68, 2), dtype=np.float32),
            1.0,
        )
        frames.append(FrameEmotions(10**18 + index * 200_000_000, "camera", (640, 480), "test", (state,)))
    return frames


def _bag(path: Path, frames: list[FrameEmotions]) -> Path:
    with ResultBag(path) as bag:
        for frame in frames:
            bag.write_emotions(frame)
    return path


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(words))


def test_reports_what_a_monitor_raises_and_proposes_a_setting(tmp_path, capsys):
    frames = _ride(60.0, afraid_from_s=40.0)
    bag, report = _bag(tmp_path / "ride", frames), tmp_path / "report.json"
    assert _run(str(bag), "--wanted", "200", "--json", str(report)) == 0
    content = json.loads(report.read_text())
    alone = AnomalyMonitor()
    starts = [e for frame in frames for e in alone.update(frame) if e.phase is AnomalyPhase.START]
    assert starts
    (recording,) = content["recordings"]
    assert [event["kind"] for event in recording["events"]] == [e.kind.name.lower() for e in starts]
    assert all(event["at_s"] >= 40.0 and event["track_id"] == 3 for event in recording["events"])
    assert content["passenger_hours"] == pytest.approx(59.8 / 3600)
    assert content["proposal"]["events_per_hour"] <= 200.0
    told = capsys.readouterr().out
    assert starts[0].description in told
    assert f"false_alarms_per_hour: {content['proposal']['false_alarms_per_hour']:g}" in told


def test_a_rate_that_so_short_a_ride_cannot_show_is_refused_in_one_line(tmp_path, capsys):
    bag, report = _bag(tmp_path / "ride", _ride(30.0)), tmp_path / "report.json"
    with pytest.raises(UserError, match=r"6\.0 passenger-hours") as error:  # exp(-0.5 * 6) = 0.05
        _run(str(bag), "--wanted", "0.5", "--json", str(report))
    assert "\n" not in str(error.value)
    assert "got 0.01" in str(error.value)
    assert "nothing raised" in capsys.readouterr().out, "what was raised is told all the same"
    assert json.loads(report.read_text())["proposal"] is None


def test_emotions_of_weights_without_a_calibration_are_told(tmp_path, capsys):
    assert _run(str(_bag(tmp_path / "ride", _ride(5.0)))) == 0
    assert "'test'" in capsys.readouterr().err


def test_without_a_wanted_rate_any_length_will_do(tmp_path, capsys):
    bag = _bag(tmp_path / "ride", _ride(5.0))
    assert _run(str(bag)) == 0
    assert "false_alarms_per_hour   events" in capsys.readouterr().out


def test_settings_are_judged_as_given(tmp_path, capsys):
    bag = _bag(tmp_path / "ride", _ride(60.0, afraid_from_s=40.0))
    off = [f"{kind}.enabled=false" for kind in ("sudden_change", "startle", "sustained_negative")]
    assert _run(str(bag), *(word for text in off for word in ("--set", text))) == 0
    assert "nothing raised" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--set", "startle.low"), "NAME=VALUE"),
        (("--set", "startle.low=high"), "startle.low"),
        (("--set", "no_such=1"), "no_such"),
        (("--set", "baseline.fast_s=500"), "baseline.slow_s"),
        (("--wanted", "0"), "--wanted"),
        ((), "does not exist"),
    ],
)
def test_user_errors_are_one_line(tmp_path, words, told):
    with pytest.raises(UserError) as error:
        _run(str(tmp_path / "nothing"), *words)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_an_empty_recording_is_refused(tmp_path):
    bag = _bag(tmp_path / "ride", _ride(1.0)[:0])
    with pytest.raises(UserError):
        _run(str(bag))


def test_defaults_are_the_monitors(tmp_path):
    bag = _bag(tmp_path / "ride", _ride(5.0))
    report = tmp_path / "report.json"
    _run(str(bag), "--json", str(report))
    thresholds = AnomalyMonitor(MonitorConfig()).thresholds
    trials = {t["false_alarms_per_hour"]: t for t in json.loads(report.read_text())["trials"]}
    assert trials[1.0]["thresholds"]["sudden_change_nats"] == thresholds.sudden_change
