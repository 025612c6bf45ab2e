"""What the figures of benchmarks/ rest on: the pictures, the statistics, the counting of processes."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOWHERE = Path("no such folder")


@pytest.fixture
def common(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for name in ("measuring", "processes", "scenes"):
        importlib.import_module(f"common.{name}")
    return importlib.import_module("common")


@pytest.mark.parametrize(("faces", "size_wh"), [(0, (64, 48)), (1, (640, 360)), (8, (640, 360))])
def test_scene_moves_and_is_the_same_every_time(common: ModuleType, faces: int, size_wh: tuple[int, int]) -> None:
    scene, again = (common.scenes.make_scene(faces, size_wh, NOWHERE, num_frames=6) for _ in range(2))
    assert [image.shape for image in scene.images] == [(size_wh[1], size_wh[0], 3)] * 6
    assert all(np.array_equal(a, b) for a, b in zip(scene.images, again.images, strict=True))
    # Beyond the sensor's noise (sigma 2), only people move.
    moved = np.abs(scene.images[0].astype(int) - scene.images[5]).max()
    assert (moved > 25) == (faces > 0)


def test_scene_goes_forth_and_back(common: ModuleType) -> None:
    scene = common.scenes.make_scene(0, (64, 48), NOWHERE, num_frames=4)
    played = [next(i for i, image in enumerate(scene.images) if image is shown) for _, shown in scene.frames(9)]
    assert played == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert [stamp_ns for stamp_ns, _ in scene.frames(3, begin=30)] == [1_000_000_000, 1_033_333_333, 1_066_666_667]


def test_full_scene_has_as_many_faces_as_it_says(common: ModuleType) -> None:
    from emotional_dan_ros.core.detector import FaceDetector

    scene = common.scenes.make_scene(8, (640, 360), NOWHERE, num_frames=1)
    assert len(FaceDetector().detect(scene.images[0])) == 8


def test_timing_of_known_times(common: ModuleType) -> None:
    times_s = [index / 1000 for index in range(1, 102)]  # 1 to 101 ms
    t = common.measuring.timing(times_s, wall_s=10.1, cpu_s=2.02, memory_mb=7.0)
    assert (t.frames, t.median_ms, t.p99_ms) == (101, pytest.approx(51.0), pytest.approx(100.0))
    assert (t.frames_per_s, t.cpu_ms, t.peak_mb) == (pytest.approx(10.0), pytest.approx(20.0), 7.0)


def test_measure_leaves_the_warm_up_out(common: ModuleType) -> None:
    seen: list[int] = []
    t = common.measuring.measure(seen.append, seconds=0.0, warm_up=3, min_frames=5)
    assert t.frames == 5
    assert seen == list(range(8))


def test_peak_is_that_of_the_measured_time() -> None:
    # In a process of its own: of the two gigabytes of this one the system may take back more than is counted here.
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "benchmarks")!r})
import numpy as np
from common import measuring
np.ones(200 * 2**20, np.uint8)  # before, and given back
measuring.forget_peak()
before_mb = measuring.peak_mb()
block = np.ones(100 * 2**20, np.uint8)
print(measuring.peak_mb() - before_mb)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert 90 < float(done.stdout) < 150


def test_children_are_counted_and_ended(common: ModuleType) -> None:
    code = "while True: pass"
    with common.processes.Children([["-c", code]]) as children:
        end_s = time.monotonic() + 30
        while children.cpu_s() < 0.05 and time.monotonic() < end_s:
            children.check()
        assert children.cpu_s() >= 0.05
        assert children.peak_mb() > 0
    with pytest.raises(RuntimeError, match="ended"):
        children.check()
