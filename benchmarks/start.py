"""From the start of the process to nodes that are active, composed and on the CPU; and how soon the command answers.

Files are in the page cache after the first start, which is not counted. The table of imports says what loading costs
most: modules of the composed graph by the time that they and what they import take (python -X importtime).

python benchmarks/start.py [--starts 5]
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import rclpy
from common import report
from common.camera import isolated_ros
from common.measuring import timing
from common.processes import Children
from lifecycle_msgs.srv import GetState

CABIN = ["-m", "emotional_dan_ros.nodes.cabin", "--no-overlay", "--ros-args", "-p", "device:=cpu"]
NODES = ("face_detector", "emotion_recognizer", "anomaly_monitor")
#: Loaded when the nodes configure.
CONFIGURED = "emotional_dan_ros.core.recognizer"
IMPORTS = ("torch", "rclpy", "cv2", "numpy", "emotional_dan_ros.nodes.cabin")
HELP = ["-m", "emotional_dan_ros.cli", "--help"]
_GIVE_UP_S = 60.0


def main() -> int:
    """Print a table and write JSON."""
    parser = report.options(__doc__)
    parser.add_argument("--starts", type=int, default=5)
    args = parser.parse_args()
    head = report.begin(args)
    isolated_ros()
    cases: dict[str, Callable[[], tuple[float, float | None]]] = {
        "composed graph: start to active": start_graph,
        "emotional-dan --help": lambda: run([sys.executable, *HELP]),
        "python -c pass (for comparison)": lambda: run([sys.executable, "-c", "pass"]),
        "python -c 'import torch' (for comparison)": lambda: run([sys.executable, "-c", "import torch"]),
    }
    rows: list[report.Row] = []
    for what, start in cases.items():
        start()
        starts = [start() for _ in range(args.starts)]
        walls_s = [wall_s for wall_s, _ in starts]
        cpu_s = [cpu for _, cpu in starts if cpu is not None]
        rows.append(report.Row(what, None, None, timing(walls_s, sum(walls_s), sum(cpu_s) or None)))
        report.show(rows[-1], first=len(rows) == 1)
    imports = import_times()
    print("imports, s: " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in imports.items()))
    report.finish("start", args, {**head, "imports_s": imports}, rows)
    return 0


def start_graph() -> tuple[float, float]:
    """Seconds until the last node is active, and CPU time until then."""
    rclpy.init()
    node = rclpy.create_node("bench_start")
    clients = [node.create_client(GetState, f"/{name}/get_state") for name in NODES]
    began_s = time.monotonic()
    try:
        with Children([CABIN]) as children:
            for client in clients:
                while not _is_active(node, client):
                    children.check()
                    if time.monotonic() - began_s > _GIVE_UP_S:
                        raise RuntimeError("the graph did not become active within a minute")
            return time.monotonic() - began_s, children.cpu_s()
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def run(command: list[str]) -> tuple[float, None]:
    """Seconds that a command takes."""
    began_s = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - began_s, None


def import_times() -> dict[str, float]:
    """Seconds that some imports of the composed graph take, each with all that it brings."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {IMPORTS[-1]}, {CONFIGURED}"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()
    cumulative: dict[str, float] = {}
    for line in lines:
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[1].strip().isdigit():
            cumulative[parts[2].strip()] = int(parts[1]) / 1e6
    return {name: cumulative[name] for name in IMPORTS if name in cumulative}


def _is_active(node: rclpy.node.Node, client: rclpy.client.Client) -> bool:
    if not client.wait_for_service(timeout_sec=0.05):
        return False
    future = client.call_async(GetState.Request())
    rclpy.spin_until_future_complete(node, future, timeout_sec=0.2)
    return future.done() and future.result().current_state.label == "active"


if __name__ == "__main__":
    raise SystemExit(main())
