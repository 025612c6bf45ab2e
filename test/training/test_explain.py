"""Pictures of explanations, mean maps, and the measure of their faithfulness."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_dan_ros import cli
from emotional_dan_ros.core.explanation import CropExplainer
from emotional_dan_ros.core.heat_maps import paint_map
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.model.network import EmotionalDAN, Output
from emotional_dan_ros.model.weights import WeightsInfo, load_weights, save_weights
from emotional_dan_ros.training.explanation_plots import explained_picture, sentence
from emotional_dan_ros.training.explanations import choose_per_emotion, labelled_crops, mean_maps
from emotional_dan_ros.training.faithfulness import hide, measure
from emotional_dan_ros.training.file_sources import read_folders

CONFIG = ModelConfig(image_size=32, width=0.05, feature_width=16, heatmap_half_px=4)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(2)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, EmotionalDAN(CONFIG, 8 + 16 * torch.rand(68, 2)), WeightsInfo("tiny", CONFIG))
    return path


def noise(seed: int, side: int = 48) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    root = tmp_path / "faces"
    for folder, count in (("happy", 3), ("Anger", 2)):
        (root / folder).mkdir(parents=True)
        for i in range(count):
            cv2.imwrite(str(root / folder / f"{i}.png"), noise(10 * count + i))
    return root


class TestCommand:
    def test_a_face_in_a_photograph(self, weights: Path, tmp_path: Path) -> None:
        photo = skimage.data.astronaut()[:, :, ::-1]
        cv2.imwrite(str(tmp_path / "astronaut.png"), photo)
        out = tmp_path / "out"
        assert cli.main(["explain", str(tmp_path / "astronaut.png"), "--out", str(out), "--weights", str(weights)]) == 0
        picture = cv2.imread(str(out / "astronaut.png"))
        assert picture is not None
        assert picture.shape[1] == 512
        assert picture.shape[0] > 512
        # The map lies on the face and nowhere else; beneath is black on white.
        changed = np.abs(picture[:512].astype(int) - photo).max(axis=2) > 8
        rows, columns = np.nonzero(changed)
        assert 20 < rows.min() < rows.max() < 260
        assert 120 < columns.min() < columns.max() < 330
        assert (picture[512:] == 255).mean() > 0.8
        assert picture[512:].min() < 100

    def test_a_folder_with_a_broken_image(
        self, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        folder = tmp_path / "in"
        folder.mkdir()
        cv2.imwrite(str(folder / "a.png"), noise(1))
        (folder / "b.jpg").write_bytes(b"\xff\xd8 not a picture")
        arguments = ["explain", str(folder), "--out", str(tmp_path / "out"), "--weights", str(weights), "--whole-image"]
        assert cli.main(arguments) == 0
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.png"]
        assert "b.jpg" in caplog.text

    def test_no_face_at_all(self, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        cv2.imwrite(str(tmp_path / "grey.png"), np.full((64, 64), 90, np.uint8))
        arguments = ["explain", str(tmp_path / "grey.png"), "--out", str(tmp_path / "out"), "--weights", str(weights)]
        assert cli.main(arguments) == 1
        assert "no face could be explained in 1 images" in capsys.readouterr().err

    def test_labelled_folders_give_the_grid(self, weights: Path, folders: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        assert cli.main(["explain", str(folders), "--out", str(out), "--weights", str(weights)]) == 0
        assert [p.name for p in out.iterdir()] == ["faces_mean_maps.png"]
        grid = cv2.imread(str(out / "faces_mean_maps.png"))
        assert grid is not None
        assert grid.shape[1] > 4 * grid.shape[0]

    def test_broken_images_among_labelled_ones_are_counted(
        self, weights: Path, folders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (folders / "happy" / "9.png").write_bytes(b"no picture")
        assert cli.main(["explain", str(folders), "--out", str(tmp_path / "out"), "--weights", str(weights)]) == 0
        assert "skipped 1 of 6 images" in caplog.text

    def test_out_is_a_file(
        self, weights: Path, folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "out").touch()
        assert cli.main(["explain", str(folders), "--out", str(tmp_path / "out"), "--weights", str(weights)]) == 1
        assert "expected a folder to write to" in capsys.readouterr().err

    def test_images_of_one_name_do_not_overwrite_each_other(self, weights: Path, folders: Path, tmp_path: Path) -> None:
        inputs = [str(folders / "happy" / "0.png"), str(folders / "Anger" / "0.png")]
        arguments = ["explain", *inputs, "--out", str(tmp_path / "out"), "--weights", str(weights), "--whole-image"]
        assert cli.main(arguments) == 0
        assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["0.png", "0_2.png"]

    @pytest.mark.parametrize("extra", [["nothing-here"], [".", "--limit", "0"]])
    def test_bad_arguments(self, extra: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["explain", *extra, "--out", str(tmp_path / "out")]) == 1
        assert capsys.readouterr().err.count("\n") == 1


class TestPictures:
    def test_sentence(self) -> None:
        assert sentence(np.array([0.01, 0.01, 0.01, 0.9, 0.04, 0.02, 0.01])) == "Surprise 0.90, Fear 0.04"

    def test_paint_by_hand(self) -> None:
        image = np.full((1, 2), 100, np.uint8)
        painted = paint_map(image, np.array([[0.0, 1.0]]))
        assert painted[0, 0].tolist() == [100, 100, 100]
        # JET at 1 is (0, 0, 128) BGR, laid over with 0.6.
        assert painted[0, 1].tolist() == [40, 40, round(0.4 * 100 + 0.6 * 128)]

    def test_every_face_has_a_line(self) -> None:
        image = np.zeros((300, 400, 3), np.uint8)
        affine = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
        one = explained_picture(image, [affine], np.zeros((1, 112, 112)), np.eye(7)[:1])
        two = explained_picture(image, [affine] * 2, np.zeros((2, 112, 112)), np.eye(7)[:2])
        assert one.shape[1] == two.shape[1] == 400
        assert two.shape[0] - one.shape[0] == 30

    def test_map_goes_where_the_crop_came_from(self) -> None:
        image = np.zeros((200, 200), np.uint8)
        heat = np.zeros((1, 112, 112), np.float32)
        heat[0, 10, 20] = 1  # row, column of the crop
        shifted = np.array([[1, 0, -50], [0, 1, -60]], np.float32)  # crop px = source px - (50, 60)
        picture = explained_picture(image, [shifted], heat, np.eye(7)[:1])[:200]
        assert np.argwhere(picture.max(axis=2) > 30).tolist() == [[70, 70]]


class TestMeanMaps:
    def test_mean_over_the_rightly_recognised(self, weights: Path, folders: Path) -> None:
        explainer = CropExplainer(EmotionRecognizer.load(weights, device="cpu"))
        faces = read_folders(folders)
        crops, labels = next(iter(labelled_crops(faces, np.arange(5))))
        model, info = load_weights(weights)
        # Teach the tiny network to call everything happiness: all three of those are right, anger never is.
        with torch.no_grad():
            model.stage2.emotion.bias[1] = 50.0
        explainer = CropExplainer(EmotionRecognizer(model, info))
        means = mean_maps(explainer, faces, np.arange(5))
        assert means.seen.tolist() == [0, 3, 0, 0, 0, 0, 2]
        assert means.recognised.tolist() == [0, 3, 0, 0, 0, 0, 0]
        happy = labels == 1
        alone = np.stack([explainer.explain(c[None], np.array([1])).maps[0] for c in crops[happy]])
        np.testing.assert_allclose(means.maps[1], alone.mean(axis=0), atol=1e-4)
        np.testing.assert_allclose(means.crops[1], crops[happy].mean(axis=0), atol=1e-4)
        assert (means.maps[6] == 0).all()

    def test_limit_counts_per_emotion(self, folders: Path) -> None:
        faces = read_folders(folders)
        chosen = choose_per_emotion(faces, np.arange(5), limit=2)
        assert np.bincount(faces.emotion[chosen], minlength=7).tolist() == [0, 2, 0, 0, 0, 0, 2]


class TestFaithfulness:
    def test_hide_by_hand(self) -> None:
        image = torch.arange(1.0, 5).reshape(1, 1, 2, 2)
        ranks = torch.tensor([[[0.1, 0.9], [0.5, 0.2]]])
        assert hide(image, ranks, 0.5).flatten().tolist() == [1, 0, 0, 4]
        assert hide(image, ranks, 0.0).flatten().tolist() == [1, 2, 3, 4]

    @pytest.mark.parametrize("honest", [True, False])
    def test_a_true_map_is_ahead_and_a_false_one_behind(self, honest: bool) -> None:
        # A "network" that goes by the brightness of the upper left quarter alone.
        quarter = torch.zeros(8, 8)
        quarter[:4, :4] = 1

        def model(images: Tensor) -> Output:
            logit = (images[:, 0] * quarter).mean(dim=(1, 2)) * 16
            zeros = torch.zeros(len(images), 68, 2)
            return Output(zeros, zeros, torch.stack([logit, *[torch.zeros_like(logit)] * 6], dim=1))

        heat = quarter if honest else 1 - quarter
        explainer = SimpleNamespace(
            prepare=lambda crops: torch.ones(len(crops), 1, 8, 8),
            grad_cam=lambda images, classes: SimpleNamespace(maps=heat.expand(len(images), -1, -1)),
            recognizer=SimpleNamespace(model=model, info=WeightsInfo("toy", CONFIG)),
        )
        figures = measure(explainer, [np.zeros((30, 112, 112), np.uint8)], share=0.25)  # type: ignore[arg-type]
        before = np.exp(4) / (np.exp(4) + 6)  # 16 px of 64 are 1, times 16: logit 4
        assert figures["mean_probability"] == pytest.approx(before)
        after = 1 / 7 if honest else before  # all that counts is hidden, or nothing
        assert figures["mean_fall"]["map"] == pytest.approx(before - after)
        ahead = figures["advantage_over"]["random"]
        low, high = ahead["interval95"]
        assert low <= ahead["mean"] <= high
        assert (low > 0.3 and ahead["share_of_faces"] == 1) if honest else high < 0
        # Moved to a random place the true region hides on average a quarter of what counts.
        assert figures["advantage_over"]["moved_map"]["mean"] > 0.1 or not honest
