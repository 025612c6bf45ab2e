"""The command as a user runs it, with the real networks, on a few frames."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from emotional_dan_ros.core.anomaly import calibration_path
from emotional_dan_ros.core.sample import sample_frame
from emotional_dan_ros.model.weights import weights_path


def _process(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emotional_dan_ros.cli", "process", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of the built-in sample, and one file that is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(8):
        assert cv2.imwrite(str(folder / f"{index}.png"), sample_frame(index))
    (folder / "5.png").write_bytes(b"broken")
    return folder


def test_some_work_some_do_not(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = _process(pictures, tmp_path / "missing.mp4", "--out", out, "--table", "csv")
    assert done.returncode == 1
    assert "0 of 2 inputs processed completely" in done.stdout
    assert "5.png" in done.stderr
    assert f"failed: {tmp_path / 'missing.mp4'}: expected a video" in done.stderr
    assert "Traceback" not in done.stderr
    (folder,) = out.iterdir()
    rows = [line.split(",") for line in (folder / "states.csv").read_text().splitlines()]
    track, happiness = rows[0].index("track_id"), rows[0].index("probabilities_happiness")
    assert len(rows) == 1 + 2 * 7  # two passengers in seven frames
    assert len({row[track] for row in rows[1:]}) == 2
    smiles = sorted(float(row[happiness]) for row in rows[1:])
    assert smiles[0] < 0.5 < smiles[-7]  # one of the two smiles, in every frame
    again = _process(pictures, "--out", out, "--table", "csv")
    assert "was already done" in again.stderr
    assert again.returncode == 1  # it is still incomplete


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--weights", "no_such_weights"), "expected weights"),
        (("--device", "tpu"), "device: expected auto, cpu or cuda"),
        (("--detection-interval", "0"), "--detection-interval: expected at least 1, got 0"),
        (("--workers", "2"), "expected --engine ray"),
    ],
)
def test_wrong_settings_are_one_line(pictures: Path, tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    done = _process(pictures, "--out", tmp_path / "out", *arguments)
    assert done.returncode == 1
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.rglob("*.csv")) == []
    assert list(tmp_path.rglob(".journal")) == []


def test_a_calibration_beside_ones_own_weights_is_part_of_the_run(tmp_path: Path) -> None:
    picture, mine, out = tmp_path / "picture.png", tmp_path / "mine.safetensors", tmp_path / "out"
    assert cv2.imwrite(str(picture), sample_frame(0))
    shutil.copy(weights_path("rt"), mine)
    without = _process(picture, "--out", out, "--table", "csv", "--weights", mine)
    assert without.returncode == 0
    assert f"no calibration for {mine} (expected {calibration_path(mine)})" in without.stderr
    shutil.copy(calibration_path("rt"), calibration_path(mine))
    other = _process(picture, "--out", out, "--table", "csv", "--weights", mine)
    assert other.returncode == 1
    assert "no calibration" not in other.stderr
    assert "--force" in other.stderr
    again = _process(picture, "--out", out, "--table", "csv", "--weights", mine, "--force")
    assert again.returncode == 0, again.stderr
