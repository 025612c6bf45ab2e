"""Separate processes against the composed one: rate, CPU time, latency and memory of the same work.

    python benchmarks/composition.py [--rate 10] [--seconds 15]

Publishes the built-in sample's images with their time of sending as stamp, and listens to the emotions.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("ROS_DOMAIN_ID", "87")
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

import rclpy
from emotional_dan_ros.msg import EmotionStateArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from emotional_dan_ros.core.sample import sample_frame
from emotional_dan_ros.nodes.image_conversion import to_image, to_ns

MODES = {
    "separate": (["face_detector"], ["emotion_recognizer"], ["anomaly_monitor"]),
    "composed": (["cabin", "--no-overlay"],),
}
NUM_PICTURES = 15
WARM_UP_FRAMES = 10


class Load:
    """A camera and a listener."""

    def __init__(self, rate_hz: float) -> None:
        self.node = rclpy.create_node("load")
        self.latencies_s: list[float] = []
        self._pictures = [to_image(sample_frame(index * 4), 0, "camera") for index in range(NUM_PICTURES)]
        self._count = 0
        self._camera = self.node.create_publisher(Image, "image", qos_profile_sensor_data)
        self.node.create_subscription(EmotionStateArray, "emotions", self._hear, 100)
        self.node.create_timer(1.0 / rate_hz, self._show)

    def _show(self) -> None:
        message = self._pictures[self._count % NUM_PICTURES]
        self._count += 1
        message.header.stamp = self.node.get_clock().now().to_msg()
        self._camera.publish(message)

    def _hear(self, message: EmotionStateArray) -> None:
        self.latencies_s.append((self.node.get_clock().now().nanoseconds - to_ns(message.header.stamp)) / 1e9)


def cpu_s(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def measure(mode: str, rate_hz: float, seconds: float) -> str:
    """Run one mode and describe it in a row."""
    # One thread each, so that the two modes differ in nothing but the processes.
    options = ["--ros-args", "-p", "face_detector:num_threads:=1", "-p", "emotion_recognizer:num_threads:=1"]
    commands = [
        [sys.executable, "-m", f"emotional_dan_ros.nodes.{name}", *rest, *options] for name, *rest in MODES[mode]
    ]
    running = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands]
    rclpy.init()
    load = Load(rate_hz)
    executor = SingleThreadedExecutor()
    executor.add_node(load.node)
    try:
        while len(load.latencies_s) < WARM_UP_FRAMES:
            executor.spin_once(timeout_sec=0.5)
        load.latencies_s.clear()
        used_s, began_s = sum(cpu_s(process.pid) for process in running), time.monotonic()
        while time.monotonic() - began_s < seconds:
            executor.spin_once(timeout_sec=0.5)
        used_s = sum(cpu_s(process.pid) for process in running) - used_s
        memory = sum(memory_mb(process.pid) for process in running)
    finally:
        rclpy.shutdown()
        for process in running:
            process.send_signal(signal.SIGINT)
        for process in running:
            process.wait()
    heard = sorted(load.latencies_s)
    return (
        f"| {mode} | {len(heard) / seconds:.1f} | {used_s / len(heard) * 1e3:.0f} | "
        f"{statistics.median(heard) * 1e3:.0f} | {heard[int(len(heard) * 0.95)] * 1e3:.0f} | {memory:.0f} |"
    )


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=10.0, help="images per second")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long to measure each")
    options = parser.parse_args()
    print("| | frames/s | CPU ms per frame | latency median ms | latency 95 % ms | memory MB |")
    print("|---|---|---|---|---|---|")
    for mode in MODES:
        print(measure(mode, options.rate, options.seconds), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
