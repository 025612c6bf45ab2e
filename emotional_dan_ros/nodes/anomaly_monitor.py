"""Node: emotions to unexpected expressions (`emotions` to `anomalies`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from emotional_dan_ros.core.anomaly import AnomalyMonitor, MonitorConfig
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, FrameEmotions
from emotional_dan_ros.nodes.base import PipelineNode
from emotional_dan_ros.nodes.inputs import WatchedInput
from emotional_dan_ros.nodes.parameters import Values
from emotional_dan_ros.nodes.run import leave, run
from emotional_dan_ros.nodes.topics import ANOMALIES, EMOTIONS


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
        super().__init__("anomaly_monitor", **kwargs)

    def set_up(self) -> None:
        self._use(AnomalyMonitor(_config(self.parameters.values)))
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
            self._last_ns = value.stamp_ns
            self._publish(self._monitor.update(value))
            self.health.set_fact("passengers", str(self._monitor.num_passengers))
            self.health.set_fact("invalid states", str(self._monitor.dropped_states))

    def end(self) -> None:
        if self._monitor is not None:
            self._publish(self._monitor.close("the monitor stops"))

    def tear_down(self) -> None:
        self._monitor = None

    def apply(self, values: Values, changed: frozenset[str]) -> None:
        monitor = AnomalyMonitor(_config(values))
        if self._monitor is None or not changed - {"stall_timeout"}:
            return
        with self._lock:
            self._publish(self._monitor.close("the settings changed"))
            self._use(monitor)
        self.get_logger().info("the monitor's settings changed; baselines start anew")

    def check(self) -> None:
        self._emotions.check()

    def _use(self, monitor: AnomalyMonitor) -> None:
        # A new monitor counts its events from 1; ids are never reused within a run of the node.
        self._monitor = monitor
        self._event_id_offset = self._last_event_id

    def _publish(self, events: Sequence[AnomalyEvent]) -> None:
        for event in events:
            event = replace(event, event_id=event.event_id + self._event_id_offset)
            self._last_event_id = max(self._last_event_id, event.event_id)
            self._anomalies.publish(event)
            if event.phase is not AnomalyPhase.ONGOING:
                self.get_logger().info(f"{event.kind.name} {event.phase.name}: {event.description}")


def _config(values: Values) -> MonitorConfig:
    return MonitorConfig.from_flat({name: values[name] for name in MonitorConfig().flat()})


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop."""
    return run("anomaly_monitor", lambda bus, _: [AnomalyMonitorNode(bus=bus)], args)


if __name__ == "__main__":
    leave(main())
