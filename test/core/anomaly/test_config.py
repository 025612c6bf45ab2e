"""Settings: names, bounds, contradictions."""

from __future__ import annotations

import pytest

from emotional_dan_ros.core.anomaly import AnomalyMonitor, MonitorConfig
from emotional_dan_ros.core.errors import UserError


def test_flat_names_go_there_and_back():
    changed = {
        "false_alarms_per_hour": 2.5,
        "sudden_change.memory_s": 3.0,
        "sudden_change.strengths": (0.7,),
        "startle.enabled": False,
        "sustained_negative.emotions": ("anger",),
        "memory.max_passengers": 8,
    }
    config = MonitorConfig.from_flat(changed)
    flat = config.flat()
    assert {name: flat[name] for name in changed} == changed
    assert MonitorConfig.from_flat(flat) == config
    assert config.sudden_change.memory_s == 3.0
    assert not config.startle.enabled


def test_lists_and_whole_numbers_from_parameter_files():
    config = MonitorConfig.from_flat({"sudden_change.emotions": ["fear", "anger"], "false_alarms_per_hour": 2})
    assert config.sudden_change.emotions == ("fear", "anger")
    assert config.false_alarms_per_hour == 2.0


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"baseline.fast_s": 200.0}, ("baseline.fast_s", "baseline.slow_s")),
        ({"baseline.slow_s": 3.0}, ("baseline.warmup_s", "baseline.slow_s")),
        ({"events.end_fraction": 1.0}, ("events.end_fraction", "false_alarms_per_hour", "END", "START")),
        ({"startle.rise_s": 5.0}, ("startle.rise_s", "startle.max_s")),
        ({"sustained_negative.smoothing_s": 9.0}, ("sustained_negative.smoothing_s", "sustained_negative.hold_s")),
        ({"sudden_change.memory_s": 0.1}, ("sudden_change.evidence_s", "sudden_change.memory_s")),
        ({"looks.shortest_s": 20.0}, ("looks.shortest_s", "looks.longest_s")),
        ({"memory.keep_s": 2.0}, ("memory.carry_over_s", "memory.keep_s")),
    ],
)
def test_contradictions_are_refused_with_both_named(values, named):
    with pytest.raises(UserError) as error:
        MonitorConfig.from_flat(values)
    assert all(name in str(error.value) for name in named)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("false_alarms_per_hour", 0.0),
        ("false_alarms_per_hour", float("nan")),
        ("false_alarms_per_hour", float("inf")),
        ("false_alarms_per_hour", "often"),
        ("baseline.slow_s", -1.0),
        ("baseline.warmup_factor", 0.5),
        ("events.end_fraction", float("nan")),
        ("events.refractory_s", -0.1),
        ("memory.max_passengers", 0),
        ("memory.max_passengers", 2.5),
        ("memory.max_passengers", float("inf")),
        ("memory.max_passengers", True),
        ("several_passengers.min_passengers", 1),
        ("passenger_lost.border", 0.6),
        ("looks.new_looks", 0.0),
        ("startle.enabled", 1),
        ("startle.emotions", []),
        ("startle.emotions", ["fear", "fear"]),
        ("startle.emotions", ["joy"]),
        ("startle.emotions", "fear"),
        ("sudden_change.strengths", [1.0]),
        ("no_such.setting", 1.0),
    ],
)
def test_bad_values_are_refused_with_the_name(name, value):
    with pytest.raises(UserError) as error:
        MonitorConfig.from_flat({name: value})
    assert name in str(error.value)


def test_low_above_the_derived_high_is_refused_when_the_monitor_is_built(calibration):
    with pytest.raises(UserError, match=r"startle\.low.*false_alarms_per_hour"):
        AnomalyMonitor(MonitorConfig.from_flat({"startle.low": 0.95}), calibration)


def test_scaled_multiplies_durations_and_divides_the_rate():
    config = MonitorConfig().scaled(4.0)
    default = MonitorConfig().flat()
    for name, value in config.flat().items():
        if name.endswith("_s"):
            assert value == 4.0 * default[name]
        elif name == "false_alarms_per_hour":
            assert value == default[name] / 4.0
        else:
            assert value == default[name]
