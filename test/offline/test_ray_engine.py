"""The same bytes from a Ray cluster as from one process, whoever is killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.sample import sample_frame
from emotional_dan_ros.core.types import FrameEmotions, FrameFaces
from emotional_dan_ros.offline.engine import Looked
from emotional_dan_ros.offline.frame_pipeline import PipelineConfig
from emotional_dan_ros.offline.inputs import Input
from emotional_dan_ros.offline.pieces import PieceResult
from emotional_dan_ros.offline.ray_engine import Order, RayEngine
from emotional_dan_ros.offline.records import FrameRecord, encode
from emotional_dan_ros.offline.work_folder import WorkFolder

pytest.importorskip("ray", reason="Ray is not installed: pip install 'emotional_dan_ros[ray]'")

T = TypeVar("T")
NUM_FRAMES = 24
#: Generous: a machine that runs tests is busy.
TIMEOUT_S = 300.0


def _wait_for(condition: Callable[[], T | None], child: subprocess.Popen[str] | None = None) -> T:
    end_s = time.monotonic() + TIMEOUT_S
    while (found := condition()) is None:
        assert child is None or child.poll() is None, "ended too early"
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.02)
    return found


def _descendants(pid: int) -> Iterator[int]:
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = tasks.read_text().split()
        except OSError:  # a thread that has ended
            continue
        for child in children:
            yield int(child)
            yield from _descendants(int(child))


def _at_work(driver: int) -> int | None:
    """A worker that has a piece in hand: Ray names the process after the function that runs."""
    for pid in _descendants(driver):
        try:
            if b"ray::carry_out" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        except OSError:
            continue
    return None


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of the built-in sample, and one file that is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(NUM_FRAMES):
        assert cv2.imwrite(str(folder / f"{index}.png"), sample_frame(index))
    (folder / "13.png").write_bytes(b"broken")
    few = folder.with_name(f"{folder.name}-few")
    few.mkdir()
    for index in range(5):
        assert cv2.imwrite(str(few / f"{index}.png"), sample_frame(100 + index))
    return folder


def _process(pictures: Path, out: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "emotional_dan_ros.cli", "process", f"{pictures}*", "--out", str(out)]
    return subprocess.Popen([*command, "--table", "csv", *arguments], stderr=subprocess.PIPE, text=True)


def test_killed_workers_and_a_killed_driver_change_nothing(pictures: Path, tmp_path: Path) -> None:
    alone = _process(pictures, tmp_path / "alone")
    _, words = alone.communicate(timeout=TIMEOUT_S)
    assert alone.returncode == 1, words  # one of the files is no picture
    out = tmp_path / "ray"
    arguments = ("--engine", "ray", "--workers", "2", "--chunk-frames", "4")

    driver = _process(pictures, out, *arguments)
    worker = _wait_for(lambda: _at_work(driver.pid), driver)
    os.kill(worker, signal.SIGKILL)
    _wait_for(lambda: next((p for p in out.glob("*/.journal/pieces/*") if p.suffix != ".unfinished"), None), driver)
    others = list(_descendants(driver.pid))
    driver.kill()
    _, words = driver.communicate(timeout=TIMEOUT_S)
    assert "try 2 of 3" in words  # the killed worker's piece
    assert not list(out.rglob("states.csv"))
    _wait_for(lambda: None if any(Path(f"/proc/{pid}").exists() for pid in others) else True)  # no worker stays behind

    driver = _process(pictures, out, *arguments)
    worker = _wait_for(lambda: _at_work(driver.pid), driver)
    os.kill(worker, signal.SIGKILL)
    _, words = driver.communicate(timeout=TIMEOUT_S)
    assert driver.returncode == 1, words
    assert "try 2 of 3" in words
    assert "13.png: not a picture" in words
    for name in (pictures.name, f"{pictures.name}-few"):
        expected, got = tmp_path / "alone" / name, out / name
        files = sorted(path.relative_to(got) for path in got.rglob("*") if path.is_file())
        assert {Path("states.csv"), Path("bag/bag.mcap"), Path("report.html"), Path("run.json")} < set(files)
        assert files == sorted(path.relative_to(expected) for path in expected.rglob("*") if path.is_file())
        for path in files:
            assert (got / path).read_bytes() == (expected / path).read_bytes(), path


def _engine(work: Callable[[Order], PieceResult], notes: list[str]) -> RayEngine:
    return RayEngine(PipelineConfig(detection_interval=1), None, 2, notes.append, piece_frames=8, work=work)


def _look(engine: RayEngine, pictures: Path, folder: Path) -> Looked:
    job, work = Input(str(pictures), "pictures"), WorkFolder(folder, b"run")
    work.claim()
    with job.open() as source:
        return engine.look(job, source, work, lambda *_: None)


def test_a_piece_that_fails_three_times_is_told_and_the_rest_is_finished(pictures: Path, tmp_path: Path) -> None:
    poison = tmp_path / "poison"
    poison.touch()

    def work(order: Order) -> PieceResult:
        if order.piece.first == 8 and poison.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        frames = [
            (FrameFaces(p.stamp_ns, "", (4, 4)), FrameEmotions(p.stamp_ns, "", (4, 4), "rt")) for p in order.places
        ]
        return PieceResult(len(frames), (), (), b"".join(encode(FrameRecord(*frame), False) for frame in frames))

    notes: list[str] = []
    with _engine(work, notes) as engine:
        looked = _look(engine, pictures, tmp_path / "work")
        assert looked.num_frames == NUM_FRAMES - 8
        assert [record.stamp_ns // 100_000_000 for record in looked.records()] == [*range(8), *range(16, NUM_FRAMES)]
        (failed,) = looked.failed
        assert "pictures, images 8 to 15: " in failed
        assert [note.split("; ")[-1] for note in notes] == ["try 2 of 3", "try 3 of 3"]
        poison.unlink()
        looked = _look(engine, pictures, tmp_path / "work")  # another run tries it again
        assert (looked.num_frames, list(looked.failed)) == (NUM_FRAMES, [])
        assert np.all(np.diff([record.stamp_ns for record in looked.records()]) == 100_000_000)


def test_no_cluster_is_one_line() -> None:
    with pytest.raises(UserError, match="expected a Ray cluster at"):
        RayEngine(PipelineConfig(), "127.0.0.1:1", None, print)
