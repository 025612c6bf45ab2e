"""Child processes: what they have used, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from common.measuring import forget_peak, peak_mb, resident_mb

_END_S = 20.0


class Children(AbstractContextManager["Children"]):
    """Python processes that run at the same time; interrupted at the end.

    Args:
        commands: what follows the interpreter's name.
        env: environment; None for this process's own.
    """

    def __init__(self, commands: Sequence[Sequence[str]], env: dict[str, str] | None = None) -> None:
        self._running = [
            subprocess.Popen([sys.executable, *command], stderr=subprocess.DEVNULL, env=env) for command in commands
        ]

    def cpu_s(self) -> float:
        """User and system time that all have used so far."""
        return sum(_cpu_s(process.pid) for process in self._running)

    def forget_peaks(self) -> None:
        """Let the highest memory begin anew."""
        for process in self._running:
            forget_peak(process.pid)

    def peak_mb(self) -> float:
        """Highest resident memory since `forget_peaks`, summed."""
        return sum(peak_mb(process.pid) for process in self._running)

    def resident_mb(self) -> float:
        """Resident memory now, summed."""
        return sum(resident_mb(process.pid) for process in self._running)

    def check(self) -> None:
        """Raise where one has ended by itself."""
        for process in self._running:
            if process.poll() is not None:
                raise RuntimeError(f"{' '.join(map(str, process.args[1:]))} ended with {process.returncode}")

    def __exit__(self, *exc: object) -> None:
        for process in self._running:
            process.send_signal(signal.SIGINT)
        for process in self._running:
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
