"""Child processes end with their parent, politely or not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from emotional_dan_ros.nodes.child_processes import ChildProcesses

# A process that was started in the background of a shell ignores SIGINT until it says otherwise.
POLITE = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print('ready', flush=True); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); print('ready', flush=True); signal.pause()"


def _wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    # Who listens gets the time that a busy machine may take; who does not is only waited for.
    ("code", "expected", "grace_s"),
    [(POLITE, -signal.SIGINT, 30.0), (DEAF, -signal.SIGKILL, 0.5)],
)
def test_stop_asks_and_then_insists(code: str, expected: int, grace_s: float) -> None:
    with ChildProcesses() as children:
        child = children.start_command("child", _python(code))
        _wait_until(lambda: child.last_words() == "ready")
        calls = []
        children.stop(grace_s=grace_s, meanwhile=lambda: calls.append(time.sleep(0.01)))
        assert child.process.returncode in (expected, 1)  # Python may turn SIGINT into KeyboardInterrupt, code 1
        assert calls
    assert not _is_alive(child.process.pid)


def test_leaving_by_an_exception_ends_them_too() -> None:
    pids = []

    def fail() -> None:
        with ChildProcesses() as children:
            pids.extend(children.start_command(str(i), _python(POLITE)).process.pid for i in range(2))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not any(_is_alive(pid) for pid in pids)


def test_failure_and_last_words_are_told() -> None:
    with ChildProcesses() as children:
        children.start_command("good", _python("pass"))
        bad = children.start_command("bad", _python("print('first'); raise SystemExit('no camera here')"))
        _wait_until(lambda: not children.running())
        assert children.failed() == [bad]
        assert [child.name for child in children.ended()] == ["good"]
        assert bad.last_words() == "no camera here"


def test_killed_parent_leaves_no_orphans() -> None:
    parent = subprocess.Popen(
        _python(
            "import sys, time\n"
            "from emotional_dan_ros.nodes.child_processes import ChildProcesses\n"
            "children = ChildProcesses()\n"
            "child = children.start_command('child', [sys.executable, '-c', 'import time; time.sleep(600)'])\n"
            "print(child.process.pid, flush=True)\n"
            "time.sleep(600)\n"
        ),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert _is_alive(pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _wait_until(lambda: not _is_alive(pid))


def test_parameters_keep_their_types() -> None:
    with ChildProcesses(["-r", "__ns:=/x"]) as children:
        child = children.start("no_such_node", {"source": "0", "loop": True, "rate": 2.5, "path": 'a "b" \\c'})
        arguments = child.process.args
    assert isinstance(arguments, list)
    assert arguments[arguments.index("--ros-args") :] == [
        "--ros-args", "-r", "__ns:=/x", "-p", 'source:="0"', "-p", "loop:=true", "-p", "rate:=2.5",
        "-p", 'path:="a \\"b\\" \\\\c"',
    ]  # fmt: skip
