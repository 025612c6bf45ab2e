"""A graph of our own for tests with real nodes: no other graph on the machine hears or disturbs it."""

from __future__ import annotations

import fcntl
import gc
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest


def _own_domain() -> tuple[int, IO[bytes]]:
    """A domain that no other run of these tests on this machine has, and the lock that says so."""
    for attempt in range(100):
        domain = 1 + (os.getpid() + attempt) % 100
        lock = (Path(tempfile.gettempdir()) / f"emotional_dan_ros_domain_{domain}.lock").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
        else:
            return domain, lock
    raise RuntimeError("all ROS domains from 1 to 100 are taken by tests")


# Set at import, so that nodes in this process and those beside it agree.
_DOMAIN, _LOCK = _own_domain()
os.environ["ROS_DOMAIN_ID"] = str(_DOMAIN)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

ROOT = Path(__file__).resolve().parents[2]
#: Generous: machines that run tests are busy. Nothing waits for long where all is well.
TIMEOUT_S = 120.0


class Heard(list):
    """Messages of one topic, in the order of arrival."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def add(self, message: Any) -> None:
        with self._changed:
            self.append(message)
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[Heard], Any], timeout_s: float = TIMEOUT_S) -> Any:
        """Wait until `condition(self)` is true and return what it returned."""
        with self._changed:
            result = self._changed.wait_for(lambda: condition(self), timeout_s)
        assert result, f"waited {timeout_s:g} s in vain, heard {len(self)} messages, the last: {str(self[-1:])[:2000]}"
        return result

    def is_there(self, timeout_s: float) -> bool:
        """Wait for a message; whether one came."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self) > 0, timeout_s)

    def wait_for_one(self, condition: Callable[[Any], bool], timeout_s: float = TIMEOUT_S) -> Any:
        """Wait for a message that fulfils a condition and return it."""
        return self.wait_for(lambda heard: next((m for m in heard if condition(m)), None), timeout_s)


class Graph:
    """Nodes in this process, spun by a thread, and a probe that listens, publishes and calls."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.probe = rclpy.create_node("probe", context=self.context)
        self.executor.add_node(self.probe)
        self.nodes: list[Any] = []
        self._clients: dict[str, Any] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        # Not `executor.spin()`: an executor that is shut down while it waits may trip over what is gone.
        while not self._closing.is_set():
            self.executor.spin_once(timeout_sec=0.1)

    def add(self, node_class: type, *cli: str, **parameters: Any) -> Any:
        """Start a node in this process; `cli` are ROS arguments."""
        from rclpy.parameter import Parameter

        overrides = [Parameter(name.replace("__", "."), value=value) for name, value in parameters.items()]
        args = ["--ros-args", *cli] if cli else []
        node = node_class(context=self.context, cli_args=args, parameter_overrides=overrides)
        self.nodes.append(node)
        self.executor.add_node(node)
        self.executor.create_task(node.start)
        return node

    def hear(self, message_type: type, topic: str, qos: Any = None) -> Heard:
        """Subscribe."""
        from rclpy.qos import qos_profile_sensor_data

        heard = Heard()
        self.probe.create_subscription(message_type, topic, heard.add, qos or qos_profile_sensor_data)
        return heard

    def wait_until(self, condition: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> Any:
        """Wait for what the graph tells without an event, such as the number of subscriptions."""
        end_s = time.monotonic() + timeout_s
        tick = threading.Event()
        while not (result := condition()):
            assert time.monotonic() < end_s, f"waited {timeout_s:g} s in vain"
            tick.wait(0.01)
        return result

    def call(self, service_type: type, name: str, request: Any, timeout_s: float = TIMEOUT_S) -> Any:
        """Call a service and return its response."""
        client = self._client(service_type, name, timeout_s)
        done = threading.Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _: done.set())
        assert done.wait(timeout_s), f"{name} did not answer"
        return future.result()

    def _client(self, service_type: type, name: str, timeout_s: float) -> Any:
        """One client per service: of hundreds that come and go on a busy machine, one may never see its service."""
        end_s = time.monotonic() + timeout_s
        client = self._clients.get(name) or self.probe.create_client(service_type, name)
        while not client.wait_for_service(timeout_s / 6):
            assert time.monotonic() < end_s, f"there is no {name}"
            self.probe.destroy_client(client)
            client = self.probe.create_client(service_type, name)
        self._clients[name] = client
        return client

    def close(self) -> None:
        """Shut everything down."""
        self._closing.set()
        self._thread.join(TIMEOUT_S)
        self.executor.shutdown(timeout_sec=10.0)
        for node in self.nodes:
            if node.state_label != "finalized":
                node.trigger_shutdown()
            node.destroy_node()
        self.probe.destroy_node()
        self.context.try_shutdown()
        # A participant lives as long as the last object that refers to it. Of more than a few dozen in one
        # domain, those that come later are not heard of.
        del self.executor, self.probe, self.context
        self.nodes.clear()
        self._clients.clear()
        gc.collect()


@pytest.fixture(scope="session", autouse=True)
def _little_to_look_through() -> None:
    """What is loaded before the first test stays; `Graph.close` need not look for garbage there."""
    if importlib.util.find_spec("rclpy"):
        import emotional_dan_ros.core.recognizer  # noqa: F401 - loads PyTorch

        gc.collect()
        gc.freeze()


@pytest.fixture
def graph() -> Iterator[Graph]:
    """A graph for one test."""
    pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
    pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")
    graph = Graph()
    yield graph
    graph.close()


@pytest.fixture
def other_graph(graph: Graph) -> Iterator[Graph]:
    """A second participant beside `graph`."""
    other = Graph()
    yield other
    other.close()


class Processes:
    """Nodes in processes of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `python -m emotional_dan_ros.nodes.<name>`."""
        log = self._folder / f"{len(self._running)}_{name}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", f"emotional_dan_ros.nodes.{name}", *arguments],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        process.log = log  # type: ignore[attr-defined]
        self._running.append(process)
        return process

    def run(self, name: str, *arguments: str) -> tuple[int, str]:
        """Run one to its end; exit code and everything it said."""
        process = self.start(name, *arguments)
        code = process.wait(TIMEOUT_S)
        return code, self.log(process)

    @staticmethod
    def log(process: Any) -> str:
        """What a process has said so far."""
        return process.log.read_text(errors="replace")

    def close(self) -> None:
        """End all; they must end by themselves when asked to, without a traceback."""
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(60.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
        for process in self._running:
            assert "Traceback" not in self.log(process), self.log(process)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts nodes in processes of their own and ends them."""
    pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
    pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")
    processes = Processes(tmp_path)
    yield processes
    processes.close()
