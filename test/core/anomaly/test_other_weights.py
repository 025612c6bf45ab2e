"""Thresholds follow the weights that the emotions come from."""

from __future__ import annotations

import dataclasses

import pytest

from emotional_dan_ros.core.anomaly import (
    AnomalyMonitor,
    MonitorConfig,
    calibration_for,
    calibration_path,
    shipped_calibration,
)
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.shipped_weights import DEFAULT_WEIGHTS
from emotional_dan_ros.core.types import AnomalyPhase
from test.core.anomaly.conftest import frame, mostly, play, state


def of(model_name: str, at_s: float, emotion: Emotion = Emotion.NEUTRAL):
    return dataclasses.replace(frame(at_s, state(1, mostly(emotion))), model_name=model_name)


@pytest.fixture
def weights_folder(monkeypatch, tmp_path, calibration):
    """A package with calibrations of "rt" and of "big", whose thresholds are twice as high."""
    for name, factor in (("rt", 1.0), ("big", 2.0)):
        sudden = calibration.curves["sudden_change"]
        higher = dataclasses.replace(sudden, threshold=tuple(factor * level for level in sudden.threshold))
        content = dataclasses.replace(
            calibration, model_name=name, curves={**calibration.curves, "sudden_change": higher}
        )
        (tmp_path / f"{name}.monitor.json").write_text(content.as_json())
    monkeypatch.setattr("emotional_dan_ros.core.anomaly.calibration.WEIGHTS_DIR", tmp_path)
    return tmp_path


def test_the_monitor_takes_the_calibration_of_the_weights_it_hears_of(weights_folder):
    monitor = AnomalyMonitor()
    before = monitor.thresholds.sudden_change
    monitor.update(of("big", 1.0))
    assert monitor.thresholds.sudden_change == pytest.approx(2 * before)
    assert monitor.calibration_warning == ""
    monitor.update(of("rt", 2.0))
    assert monitor.thresholds.sudden_change == pytest.approx(before)


def test_weights_without_a_calibration_get_the_default_ones_and_it_is_said(weights_folder):
    monitor = AnomalyMonitor()
    assert monitor.calibration_warning == ""  # nothing was seen yet
    monitor.update(of("mine", 1.0))
    assert "'mine'" in monitor.calibration_warning
    assert "'rt'" in monitor.calibration_warning
    assert monitor.thresholds == AnomalyMonitor().thresholds
    monitor.update(of("rt", 2.0))
    assert monitor.calibration_warning == ""


@pytest.mark.parametrize("name", ["../rt", "/etc/passwd", "", "*", "rt.monitor.json", "\0"])
def test_a_name_from_a_message_is_no_path(weights_folder, name):
    (weights_folder.parent / "rt.monitor.json").write_text("not a calibration")
    assert shipped_calibration(name).model_name == "rt"


def test_a_given_calibration_stays(calibration, weights_folder):
    monitor = AnomalyMonitor(calibration=calibration)
    monitor.update(of("big", 1.0))
    assert monitor.thresholds == AnomalyMonitor(calibration=calibration).thresholds
    assert "'big'" in monitor.calibration_warning
    monitor.update(of(calibration.model_name, 2.0))
    assert monitor.calibration_warning == ""


def test_other_weights_end_events_and_begin_new_baselines(calibration):
    monitor = AnomalyMonitor(calibration=calibration)
    play(monitor, 22.0, lambda t: {1: Emotion.FEAR if t > 20 else Emotion.NEUTRAL})
    assert monitor.num_open_events
    ends = [event for event in monitor.update(of("big", 22.0)) if event.phase is AnomalyPhase.END]
    assert len(ends) == 1
    assert "other weights" in ends[0].description
    assert (monitor.num_open_events, monitor.num_passengers) == (0, 1)


def test_a_setting_that_contradicts_the_other_calibration_is_told_and_changes_nothing(calibration, weights_folder):
    high = dataclasses.replace(
        calibration,
        model_name="low",
        curves={
            **calibration.curves,
            "startle": dataclasses.replace(calibration.curves["startle"], threshold=(0.1, 0.2)),
        },
    )
    (weights_folder / "low.monitor.json").write_text(high.as_json())
    monitor = AnomalyMonitor(MonitorConfig.from_flat({"startle.low": 0.5}))
    before = monitor.thresholds
    with pytest.raises(UserError, match=r"startle\.low"):
        monitor.update(of("low", 1.0))
    assert monitor.thresholds == before


def test_calibrations_lie_beside_their_weights(calibration, tmp_path):
    mine = tmp_path / "my.face.safetensors"
    assert calibration_path(mine) == tmp_path / "my.face.monitor.json"
    assert calibration_for(mine) is None
    calibration_path(mine).write_text(calibration.as_json())
    found = calibration_for(str(mine))
    assert found is not None
    assert found.model_name == calibration.model_name


def test_default_weights_ship_with_a_calibration():
    assert shipped_calibration(DEFAULT_WEIGHTS).model_name == "rt"
    assert calibration_path("rt").is_file()
