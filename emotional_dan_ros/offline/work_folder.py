"""Where a run keeps what it has computed until its outputs are written."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import final

from emotional_dan_ros.core.errors import UserError

_RUN_NAME = "run"


@final
class WorkFolder:
    """A folder of unfinished work; belongs to one input with its settings.

    Args:
        path: of the folder.
        run_id: says for which input and settings the work holds.
    """

    def __init__(self, path: Path, run_id: bytes) -> None:
        self.path = path
        self.run_id = run_id

    def belongs_here(self) -> bool:
        """Whether the folder is there and of this run."""
        try:
            return (self.path / _RUN_NAME).read_bytes() == self.run_id
        except OSError:
            return False

    def claim(self) -> None:
        """Make the folder, or go on with it.

        Raises:
            UserError: it holds the work of another run.
        """
        if self.belongs_here():
            return
        if (self.path / _RUN_NAME).exists():
            raise UserError(
                f"expected {self.path} to come from the same input and settings, got another run's; "
                "use another --out folder, or --force to begin anew"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        unfinished = self.path / f"{_RUN_NAME}.unfinished"
        unfinished.write_bytes(self.run_id)
        unfinished.replace(self.path / _RUN_NAME)

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def remove_if_empty(self) -> None:
        """Remove the folder unless it holds work."""
        with suppress(OSError):
            if {path.name for path in self.path.iterdir()} <= {_RUN_NAME, f"{_RUN_NAME}.unfinished"}:
                self.remove()
