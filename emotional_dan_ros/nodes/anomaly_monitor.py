"""Node: emotions to unexpected expressions (`emotions` to `anomalies`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from std_srvs.srv import Trigger

from emotional_dan_ros.core.anomaly import AnomalyMonitor, Calibration, MonitorConfig, load_calibration
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, FrameEmotions
from emotional_dan_ros.nodes.base import PipelineNode
from emotional_dan_ros.nodes.health import ERROR, WARN
from emotional_dan_ros.nodes.inputs import WatchedInput
from emotional_dan_ros.nodes.parameters import Values
from emotional_dan_ros.nodes.run import leave, run
from emotional_dan_ros.nodes.topics import ANOMALIES, EMOTIONS

#: From this severity on an open event is an ERROR on /diagnostics, below it a WARN.
SEVERE = 0.7


class AnomalyMonitorNode(PipelineNode):
    """Watches each passenger over time."""

    # Evidence is gathered over frames, and a frame takes well under a millisecond: none is left out.
    queue_depth = 100

    def __init__(self, **kwargs: Any) -> None:
        self._monitor: AnomalyMonitor | None = None
        self._lock = Lock()  # parameters change in the executor's thread while the worker is at work
        self._last_ns: int | None = None
        self._last_event_id = 0
        self._event_id_offset = 0
        self._open: dict[int, AnomalyEvent] = {}
        self._dropped_states = 0
        super().__init__("anomaly_monitor", **kwargs)
        self._reset_service = self.create_service(Trigger, "~/reset", self._reset)

    def set_up(self) -> None:
        # A new monitor counts its events from 1; ids are never reused within a run of the node.
        self._monitor = AnomalyMonitor(_config(self.parameters.values), _calibration(self.parameters.values))
        self._event_id_offset = self._last_event_id
        self._dropped_states = 0
        self._anomalies = self.open_output(ANOMALIES)

    def begin(self) -> None:
        self._last_ns = None
        self._emotions = WatchedInput(self, EMOTIONS)
        self._emotions.open(self.enqueue)

    def process(self, value: FrameEmotions) -> None:
        with self._lock:
            assert self._monitor is not None
            if self._last_ns is not None and value.stamp_ns < self._last_ns:
                self.get_logger().info("the camera's time jumped back (a loop or a restart); baselines start anew")
            if self._monitor.model_name not in (None, value.model_name):
                weights = f"{value.model_name!r} instead of {self._monitor.model_name!r}"
                self.get_logger().warning(f"emotions come from the weights {weights}; baselines start anew")
            self._last_ns = value.stamp_ns
            self._publish(self._monitor.update(value))
            self.health.set_fact("passengers", str(self._monitor.num_passengers))
            self.health.set_fact("invalid states", str(self._monitor.dropped_states))

    def end(self) -> None:
        if self._monitor is not None:
            self._publish(self._monitor.close("the monitor stops"))
        self.clear("states")

    def tear_down(self) -> None:
        self._monitor = None

    def apply(self, values: Values, changed: frozenset[str]) -> None:
        config = _config(values)
        with self._lock:
            if self._monitor is None:
                AnomalyMonitor(config, _calibration(values))  # refuses what contradicts itself
            elif changed - {"stall_timeout"}:
                self._publish(self._monitor.reconfigure(config))

    def check(self) -> None:
        self._emotions.check()
        assert self._monitor is not None
        dropped = self._monitor.dropped_states
        if dropped > self._dropped_states:
            topic = self.resolve_topic_name(EMOTIONS.name)
            self.warn_once("states", WARN, f"states on {topic} are not valid and were dropped")
        else:
            self.clear("states")
        self._dropped_states = dropped
        if self._monitor.calibration_warning:
            # It stays as it is until somebody acts: the log need not repeat it.
            self.warn_once("calibration", WARN, self._monitor.calibration_warning, silence_s=math.inf)
        else:
            self.clear("calibration")

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._lock:
            response.success = self._monitor is not None and self.is_active
            if self._monitor is not None and response.success:
                self._publish(self._monitor.reset())
        response.message = "all passengers forgotten" if response.success else "the node is not active"
        return response

    def _publish(self, events: Sequence[AnomalyEvent]) -> None:
        for event in events:
            event = replace(event, event_id=event.event_id + self._event_id_offset)
            self._last_event_id = max(self._last_event_id, event.event_id)
            self._anomalies.publish(event)
            if event.phase is AnomalyPhase.END:
                self._open.pop(event.event_id, None)
            else:
                self._open[event.event_id] = event
            if event.phase is not AnomalyPhase.ONGOING:
                self.get_logger().info(f"{event.kind.name} {event.phase.name}: {event.description}")
        if self._open:
            worst = max(self._open.values(), key=lambda event: event.severity)
            self.health.report("anomaly", ERROR if worst.severity >= SEVERE else WARN, worst.description)
        else:
            self.clear("anomaly")


def _config(values: Values) -> MonitorConfig:
    return MonitorConfig.from_flat({name: values[name] for name in MonitorConfig().flat()})


def _calibration(values: Values) -> Calibration | None:
    path = str(values["calibration"])
    return load_calibration(path) if path else None


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop."""
    return run("anomaly_monitor", lambda bus, _: [AnomalyMonitorNode(bus=bus)], args)


if __name__ == "__main__":
    leave(main())
