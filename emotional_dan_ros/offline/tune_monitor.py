"""``emotional-dan tune-monitor``: what the monitor would have raised on recordings, and settings for a wanted rate."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from emotional_dan_ros.core.anomaly import MonitorConfig
from emotional_dan_ros.core.anomaly.tuning import NONE_SEEN_BOUND, Trial, Tuner
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, FrameEmotions
from emotional_dan_ros.offline.atomic import whole_or_nothing
from emotional_dan_ros.offline.emotion_frames import emotion_frames
from emotional_dan_ros.offline.frame_pipeline import FramePipeline, PipelineConfig
from emotional_dan_ros.offline.inputs import expand
from emotional_dan_ros.offline.own_calibration import own_calibration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line of ``emotional-dan tune-monitor``."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="recordings of ordinary passengers: rosbag2 (recorded emotions are used, else images), videos, folders",
    )
    parser.add_argument(
        "--wanted",
        type=float,
        metavar="RATE",
        help="propose a setting that keeps this many false alarms in an hour of one passenger; "
        f"takes {NONE_SEEN_BOUND:g} / RATE hours of recordings",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="monitor setting to judge, as in the parameter file, e.g. startle.enabled=false; may be repeated",
    )
    parser.add_argument("--topic", help="image topic, for bags with several or to ignore recorded emotions")
    parser.add_argument("--weights", default="rt", help="name of shipped weights or a .safetensors file (default: rt)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--json", type=Path, help="write the report here as JSON too")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns 0 where every recording could be read and a wanted rate could be judged."""
    if args.wanted is not None and not args.wanted > 0:
        raise UserError(f"expected --wanted above 0 false alarms an hour, got {args.wanted:g}")
    config = MonitorConfig.from_flat(dict(_setting(text) for text in args.set))
    tuner = Tuner(config, own_calibration(args.weights))
    pipeline = PipelineConfig(weights=args.weights, device=args.device)
    reports: list[dict[str, Any]] = []
    for job in expand(args.inputs, args.topic):
        events, duration_s = _watch(tuner, emotion_frames(job, lambda: FramePipeline(pipeline)), job.spec)
        reports.append({"input": job.spec, "duration_s": round(duration_s, 3), "events": events})
    if tuner.calibration_warning:
        print(tuner.calibration_warning, file=sys.stderr)
    trials = tuner.trials()
    enough = args.wanted is not None and tuner.hours * args.wanted >= NONE_SEEN_BOUND
    proposal = tuner.proposal(args.wanted) if enough else None
    _print_trials(trials, config.false_alarms_per_hour)
    if args.json is not None:
        content = {
            "passenger_hours": tuner.hours,
            "recordings": reports,
            "trials": [_trial(trial) for trial in trials],
            "wanted_per_hour": args.wanted,
            "proposal": _trial(proposal) if proposal is not None else None,
        }
        with whole_or_nothing(args.json) as path:
            path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if enough:
        print("\n".join(proposal_lines(trials, proposal, args.wanted)))
    elif args.wanted is not None:
        raise UserError(
            f"expected {NONE_SEEN_BOUND / args.wanted:.1f} passenger-hours of recordings or more to judge --wanted "
            f"{args.wanted:g} (fewer cannot show so low a rate with 95 % confidence), got {tuner.hours:.2f}; "
            "record more, or want a higher rate"
        )
    return 0


def _setting(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator:
        raise UserError(f"expected --set NAME=VALUE, got {text!r}")
    try:
        return name.strip(), json.loads(value)
    except json.JSONDecodeError:
        raise UserError(
            f"expected a number, true, false or a list such as [0.5, 0.9] after {name}=, got {value!r}"
        ) from None


def _watch(tuner: Tuner, frames: Iterable[FrameEmotions], name: str) -> tuple[list[dict[str, Any]], float]:
    """Run a recording through the tuner; print and return what starts at the given setting, and its length in s."""
    started: list[dict[str, Any]] = []
    first_ns: int | None = None
    last_ns = 0
    print(f"{name}:")
    for frame in frames:
        first_ns = frame.stamp_ns if first_ns is None else min(first_ns, frame.stamp_ns)
        last_ns = max(last_ns, frame.stamp_ns)
        for event in tuner.add(frame):
            if event.phase is AnomalyPhase.START:
                at_s = (event.stamp_ns - first_ns) * 1e-9
                print(
                    f"  {at_s:8.1f} s  {event.kind.name.lower():<18} severity {event.severity:.2f}  {event.description}"
                )
                started.append(_event(event, at_s))
    tuner.end_recording()
    if first_ns is None:
        raise UserError(f"expected images or emotions in {name}, got none")
    if not started:
        print("  nothing raised")
    return started, (last_ns - first_ns) * 1e-9


def _event(event: AnomalyEvent, at_s: float) -> dict[str, Any]:
    return {
        "at_s": round(at_s, 3),
        "kind": event.kind.name.lower(),
        "track_id": event.track_id,
        "severity": round(event.severity, 3),
        "description": event.description,
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "false_alarms_per_hour": trial.setting,
        "events": trial.events,
        "events_per_hour": trial.per_hour,
        "thresholds": {
            "sudden_change_nats": trial.thresholds.sudden_change,
            "startle_probability": trial.thresholds.startle,
            "sustained_negative_probability": trial.thresholds.sustained_negative,
        },
    }


def _print_trials(trials: Sequence[Trial], given: float) -> None:
    print(f"\nIn {trials[0].hours:.3f} passenger-hours:")
    print("  false_alarms_per_hour   events   an hour   sudden change   startle   sustained negative")
    for trial in trials:
        mark = "  <- as given" if trial.setting == given else ""
        t = trial.thresholds
        print(
            f"  {trial.setting:21g} {trial.events:8d} {trial.per_hour:9.2f} {t.sudden_change:10.1f} nats "
            f"{t.startle:9.2f} {t.sustained_negative:20.2f}{mark}"
        )


def proposal_lines(trials: Sequence[Trial], proposal: Trial | None, wanted: float) -> list[str]:
    """Return what to tell of a proposal: the setting and the parameter to write."""
    hours = trials[0].hours
    if proposal is None:
        text = (
            f"No setting tried keeps {wanted:g} an hour on these recordings. If nothing unexpected happens in them, "
            "switch off the kind that raises most, or look at the faces' quality."
        )
        return [text]
    kept = (
        f"If nothing unexpected happens in these recordings, false_alarms_per_hour: {proposal.setting:g} keeps "
        f"{wanted:g} an hour ({proposal.events} in {hours:.3f} h)."
    )
    return [kept, "anomaly_monitor:", "  ros__parameters:", f"    false_alarms_per_hour: {proposal.setting:g}"]
