"""Thresholds from rates: by hand, by theory, from the file."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from emotional_dan_ros.core.anomaly import Calibration, MonitorConfig, calibration_path, load_calibration
from emotional_dan_ros.core.anomaly.calibration import SHARES
from emotional_dan_ros.core.anomaly.thresholds import Curve, coincidence_rates, wald_threshold
from emotional_dan_ros.core.errors import UserError


def test_interpolation_is_linear_in_the_logarithm_of_the_rate():
    curve = Curve(0.25, (100.0, 10.0, 1.0), (2.0, 4.0, 5.0))
    assert curve.threshold_at(10.0, 0.25) == pytest.approx(4.0)
    assert curve.threshold_at(math.sqrt(1000.0), 0.25) == pytest.approx(3.0)
    assert curve.threshold_at(0.1, 0.25) == pytest.approx(6.0), "goes on with the last slope"
    assert curve.threshold_at(1000.0, 0.25) == pytest.approx(0.0), "and with the first"
    assert curve.threshold_at(5.0, 0.5) == pytest.approx(4.0), "twice the pace, half the alarms"


def test_fewer_alarms_need_higher_thresholds_and_shares_follow_what_is_switched_on(calibration):
    strict = calibration.thresholds(MonitorConfig(false_alarms_per_hour=0.1))
    eager = calibration.thresholds(MonitorConfig(false_alarms_per_hour=10.0))
    assert strict.sudden_change > eager.sudden_change
    assert strict.startle > eager.startle
    assert strict.sustained_negative > eager.sustained_negative

    alone = MonitorConfig.from_flat({"startle.enabled": False, "sustained_negative.enabled": False})
    # By hand: 4 nats at 1/h and 2 at 100/h, all of the rate for the only kind.
    assert calibration.thresholds(alone).sudden_change == pytest.approx(4.0)
    shared = 4.0 - 2.0 * math.log(SHARES["sudden_change"]) / -math.log(100.0) * -1.0
    assert calibration.thresholds(MonitorConfig()).sudden_change == pytest.approx(shared)


def test_coincidences_by_simulation():
    """Poisson crossings of independent passengers at the returned rate meet about as often as accepted."""
    config = MonitorConfig.from_flat({"false_alarms_per_hour": 5.0})
    rng = np.random.default_rng(0)
    hours = 4000.0
    for n, rate in ((2, coincidence_rates(config)[0]), (4, coincidence_rates(config)[2])):
        times, who = [], []
        for passenger in range(n):
            times.append(rng.uniform(0.0, hours, rng.poisson(rate * hours)))
            who.append(np.full(len(times[-1]), passenger))
        order = np.argsort(np.concatenate(times))
        at, by = np.concatenate(times)[order], np.concatenate(who)[order]
        near = np.diff(at) <= config.several_passengers.window_s / 3600.0
        met = np.sum(near & (np.diff(by) != 0))
        assert met / hours == pytest.approx(5.0, rel=0.15)


def test_wald_bound_holds_for_an_exact_cusum():
    """Gaussian shift by 1: mean looks to a false alarm is at least exp(threshold)."""
    rng = np.random.default_rng(0)
    evidence_s, rate = 0.25, 60.0
    threshold = wald_threshold(rate, evidence_s)
    assert threshold == pytest.approx(math.log(3600 / 0.25 / 60))
    looks = []
    for _ in range(60):
        level, count = 0.0, 0
        gains = rng.normal(-0.5, 1.0, 20_000)
        for gain in gains:
            level = max(level + gain, 0.0)
            count += 1
            if level >= threshold:
                break
        looks.append(count)
    assert np.mean(looks) >= math.exp(threshold)


def test_file_goes_there_and_back(calibration, tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text(calibration.as_json())
    read = load_calibration(path)
    assert read.curves == calibration.curves
    for part in ("slope", "offset", "looks", "share"):
        np.testing.assert_allclose(getattr(read.outputs, part), getattr(calibration.outputs, part), atol=1e-4)
    assert (read.model_name, read.source, read.hours) == (calibration.model_name, "test", 1.0)
    assert read.prior.mean_output == pytest.approx(calibration.prior.mean_output)
    assert read.prior.shares == pytest.approx(calibration.prior.shares)


def test_shipped_file_is_whole():
    shipped = load_calibration(calibration_path("rt"))
    assert isinstance(shipped, Calibration)
    thresholds = shipped.thresholds(MonitorConfig())
    assert thresholds.sudden_change > 1.0
    assert MonitorConfig().startle.low < thresholds.startle < 1.0
    assert 0.3 < thresholds.sustained_negative < 1.0
    assert thresholds.several_passengers[0] <= thresholds.sudden_change


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content.pop("prior"),
        lambda content: content["curves"].pop("startle"),
        lambda content: content["curves"]["startle"]["alarms_per_hour"].reverse(),
        lambda content: content["curves"]["startle"]["threshold"].pop(),
        lambda content: content["outputs"]["looks"].pop(),
        lambda content: content["outputs"]["slope"].pop(),
        lambda content: content["outputs"]["offset"].__setitem__(0, float("nan")),
        lambda content: content["prior"]["shares"].__setitem__(0, 0.9),
    ],
    ids=[
        "no prior",
        "no kind",
        "rates rise",
        "lengths differ",
        "looks without share",
        "short slope",
        "not a number",
        "sum",
    ],
)
def test_a_spoilt_file_is_one_line(calibration, tmp_path, spoil):
    content = json.loads(calibration.as_json())
    spoil(content)
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError) as error:
        load_calibration(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="calibrate"):
        load_calibration(tmp_path / "none.json")
