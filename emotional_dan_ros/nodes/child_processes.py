"""Nodes as child processes that never outlive their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

_PR_SET_PDEATHSIG = 1
#: A log line longer than this is cut.
_MAX_WORDS = 400


@dataclass
class Child:
    """A running node process with what it wrote."""

    name: str
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def last_words(self) -> str:
        """The last line the process wrote, empty where it wrote none."""
        # The process writes through the same open file: reading here must not move the place at which it writes.
        written = os.pread(self.log.fileno(), os.fstat(self.log.fileno()).st_size, 0)
        lines = [line.strip() for line in written.decode("utf-8", "replace").splitlines() if line.strip()]
        return lines[-1][:_MAX_WORDS] if lines else ""


class ChildProcesses:
    """Starts node modules as processes and ends all of them, whatever happens; a context manager.

    A terminal's Ctrl-C reaches only the parent, which then ends the children in its own order; should the parent
    die without a word (kill -9), the kernel ends them.

    Args:
        ros_args: for every child, e.g. ``["-r", "__ns:=/demo"]``.
    """

    def __init__(self, ros_args: Sequence[str] = ()) -> None:
        self._ros_args = list(ros_args)
        self._children: dict[str, Child] = {}
        self._die_with_parent = _die_with_parent()

    def __enter__(self) -> ChildProcesses:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self, node: str, parameters: Mapping[str, object]) -> Child:
        """Start ``python -m emotional_dan_ros.nodes.<node>`` with parameters."""
        command = [sys.executable, "-m", f"emotional_dan_ros.nodes.{node}", "--ros-args", *self._ros_args]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={_yaml(value)}"]
        return self.start_command(node, command)

    def start_command(self, name: str, command: Sequence[str]) -> Child:
        """Start any command under a name."""
        log = tempfile.TemporaryFile()  # noqa: SIM115  closed when the child has ended
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=self._die_with_parent,
        )
        self._children[name] = Child(name, process, log)
        return self._children[name]

    def __getitem__(self, node: str) -> Child:
        return self._children[node]

    def failed(self) -> list[Child]:
        """Children that have ended with a code other than 0."""
        return [child for child in self._children.values() if child.process.poll() not in (None, 0)]

    def ended(self) -> list[Child]:
        """Children that have ended by themselves with code 0."""
        return [child for child in self._children.values() if child.process.poll() == 0]

    def running(self) -> list[Child]:
        """Children that have not ended."""
        return [child for child in self._children.values() if child.process.poll() is None]

    def stop(self, grace_s: float = 5.0, meanwhile: Callable[[], None] | None = None) -> None:
        """Ask all to end (SIGINT), wait, and kill those that have not after ``grace_s``.

        Args:
            grace_s: how long they may take together.
            meanwhile: called again and again while waiting, to hear their last words; must return soon.
        """
        for child in self.running():
            child.process.send_signal(signal.SIGINT)
        deadline_s = time.monotonic() + grace_s
        while self.running() and time.monotonic() < deadline_s:
            if meanwhile is None:
                _wait_for_any(self.running(), deadline_s)
            else:
                meanwhile()
        for child in self.running():
            child.process.kill()
        for child in self._children.values():
            child.process.wait()
            child.log.close()
        self._children.clear()


def _wait_for_any(children: Sequence[Child], deadline_s: float) -> None:
    try:
        children[0].process.wait(timeout=max(0.0, deadline_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        return


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'  # a source named 0 stays a string
    return str(value)


def _die_with_parent() -> Callable[[], None] | None:
    """What a child does first: ask the kernel to be interrupted when the parent dies. Linux only."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork, where loading is safe
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return ask
