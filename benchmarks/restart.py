"""How long a node that was killed is missing: kill -9, start again, until it gives results to the running graph.

    python benchmarks/restart.py

Every node is a process of its own, on the built-in sample. Times count from the start of the new process: until it is
in the graph (its output is seen by others) and until the first result that it publishes; those of the monitor are rare
and not waited for. The CPU seconds until then say what to expect of a machine that has nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

os.environ.setdefault("ROS_DOMAIN_ID", "88")
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

import rclpy
from emotional_dan_ros.msg import EmotionAnomaly, EmotionStateArray, FaceArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

LATCHED = QoSProfile(depth=50, durability=DurabilityPolicy.TRANSIENT_LOCAL)
RESULTS = {
    "face_detector": (FaceArray, "faces", qos_profile_sensor_data),
    "emotion_recognizer": (EmotionStateArray, "emotions", 10),
    "anomaly_monitor": (EmotionAnomaly, "anomalies", LATCHED),
    "overlay": (Image, "overlay/image", qos_profile_sensor_data),
}
MONITOR = "anomaly_monitor"
SOURCE = ("video_source", "--ros-args", "-p", "loop:=true")
QUIET_S = 1.0
LOOK_S = 0.01
PATIENCE_S = 60.0


class Witness:
    """Hears results and notes when they came."""

    def __init__(self) -> None:
        self._came = threading.Condition()
        self._first_s: dict[str, float] = {}
        self._node = rclpy.create_node("restart_witness")
        for name, (message, topic, qos) in RESULTS.items():
            self._node.create_subscription(message, topic, lambda _, name=name: self._note(name), qos)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        threading.Thread(target=self._executor.spin, daemon=True).start()

    def wait_for_result(self, name: str) -> float:
        """The time of the first result since `forget`."""
        with self._came:
            if not self._came.wait_for(lambda: name in self._first_s, PATIENCE_S):
                raise RuntimeError(f"{name}: nothing came within {PATIENCE_S:g} s")
            return self._first_s[name]

    def wait_for_output(self, name: str, known: set[tuple[int, ...]]) -> float:
        """The time at which a node's output is seen that is none of those known."""
        end_s = time.monotonic() + PATIENCE_S
        while self.outputs(name) <= known:
            if time.monotonic() > end_s:
                raise RuntimeError(f"{name}: not seen within {PATIENCE_S:g} s")
            time.sleep(LOOK_S)
        return time.monotonic()

    def forget(self) -> None:
        """Forget what came so far."""
        with self._came:
            self._first_s.clear()

    def outputs(self, name: str) -> set[tuple[int, ...]]:
        """Publishers of a node's results, those of killed processes among them until the middleware misses them."""
        return {tuple(info.endpoint_gid) for info in self._node.get_publishers_info_by_topic(f"/{RESULTS[name][1]}")}

    def _note(self, name: str) -> None:
        with self._came:
            self._first_s.setdefault(name, time.monotonic())
            self._came.notify_all()


def start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A node in a process of its own."""
    command = [sys.executable, "-m", f"emotional_dan_ros.nodes.{module}", *arguments]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def cpu_s(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(witness: Witness, running: dict[str, subprocess.Popen[bytes]], name: str) -> tuple[float, float, float]:
    """Kill a node, start it again: seconds until it is in the graph, until its first result, and CPU seconds."""
    running[name].send_signal(signal.SIGKILL)
    running[name].wait()
    time.sleep(QUIET_S)  # what it had sent has arrived, and launch waits as long before it starts a node again
    witness.forget()
    known = witness.outputs(name)
    began_s = time.monotonic()
    running[name] = start(name)
    joined_s = witness.wait_for_output(name, known)
    back_s = joined_s if name == MONITOR else witness.wait_for_result(name)
    return joined_s - began_s, back_s - began_s, cpu_s(running[name].pid)


def main() -> int:
    """Measure all nodes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3, help="how often each node is killed")
    parser.add_argument("--out", type=Path, help="JSON file for the numbers")
    args = parser.parse_args()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)  # an interrupt must reach the cleaning up below
    witness = Witness()
    running = {name: start(name) for name in RESULTS}
    running["video_source"] = start(*SOURCE)
    table: dict[str, dict[str, float]] = {}
    try:
        for name in RESULTS:
            witness.wait_for_output(name, set())
            if name != MONITOR:
                witness.wait_for_result(name)
        print("| node | in the graph after s (median) | first result (median) | (longest) | CPU s (median) |")
        print("|---|---|---|---|---|")
        for name in RESULTS:
            joined_s, back_s, used_s = zip(*(measure(witness, running, name) for _ in range(args.times)), strict=True)
            row = {
                "joined_s": statistics.median(joined_s),
                "back_s": statistics.median(back_s),
                "longest_s": max(back_s),
                "cpu_s": statistics.median(used_s),
            }
            print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in row.values()) + " |", flush=True)
            table[name] = row
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    if args.out:
        args.out.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
