"""Disturbances do what a camera does, to the chosen faces and to no others."""

import pytest
import torch

from emotional_dan_ros.training import disturbances
from emotional_dan_ros.training.augmentation import AugmentationConfig, Augmenter

SIZE = 64


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _pictures(count: int) -> torch.Tensor:
    coarse = torch.rand(count, 1, 8, 8, generator=_rng(7))
    return 0.2 + 0.6 * torch.nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear")


def _landmarks(count: int) -> torch.Tensor:
    """Eyes in rows 20 to 24, a mouth in rows 44 to 50, columns 12 to 51 and 24 to 40; the rest in the middle."""
    points = torch.full((count, 68, 2), 32.0)
    points[:, 36:48, 0], points[:, 36:48, 1] = torch.linspace(12, 51, 12), torch.linspace(20, 24, 12)
    points[:, 48:68, 0], points[:, 48:68, 1] = torch.linspace(24, 40, 20), torch.linspace(44, 50, 20)
    points[:, :8, 0], points[:, 9:17, 0] = 6.0, 58.0
    return points


WAYS = {
    "side_light": disturbances.side_light,
    "infrared": disturbances.infrared,
    "blur": lambda images, chosen, rng: disturbances.blur(images, chosen, 3.0, rng),
    "sensor_noise": lambda images, chosen, rng: disturbances.sensor_noise(images, chosen, 0.1, rng),
    "darkness": disturbances.darkness,
    "hide_anything": disturbances.hide_anything,
    "hide_part": lambda images, chosen, rng: disturbances.hide_part(images, _landmarks(len(images)), chosen, rng),
}


@pytest.mark.parametrize("name", WAYS)
def test_the_chosen_faces_change_and_no_others(name):
    images = _pictures(8)
    chosen = torch.arange(8) % 2 == 0
    before = images.clone()
    disturbed = WAYS[name](images, chosen, _rng())
    assert torch.equal(images, before)
    assert disturbed.shape == images.shape
    assert torch.isfinite(disturbed).all()
    assert torch.allclose(disturbed[~chosen], images[~chosen])
    assert ((disturbed - images).abs().amax(dim=(1, 2, 3))[chosen] > 0.01).all()


def test_noise_in_the_dark_is_that_of_counted_electrons():
    # Shot noise: the variance of n electrons is n, so that of a picture of white point w at intensity i is i / w, and
    # read noise adds its square. White points are drawn between 15 and 250 electrons, evenly by their logarithm.
    count = 400
    deviation = {}
    for intensity in (0.25, 0.5):
        flat = torch.full((count, 1, SIZE, SIZE), intensity)
        noisy = disturbances.darkness(flat, torch.ones(count, dtype=torch.bool), _rng(3))
        deviation[intensity] = noisy.std(dim=(1, 2, 3))
        assert noisy.min() >= 0
        assert noisy.max() <= 1
    # The brightest quarter of the pictures is clipped nowhere near, so the formula holds: the ratio of the variances of
    # i = 0.5 and 0.25 is (0.5 / w + 6.25 / w^2) / (0.25 / w + 6.25 / w^2), between 1 and 2 and near 1.8 at w = 100.
    quiet = deviation[0.5] < deviation[0.5].quantile(0.25)
    ratio = (deviation[0.5][quiet] / deviation[0.25][quiet]) ** 2
    assert 1.6 < float(ratio.median()) < 2.0
    brightest, darkest = deviation[0.5].min(), deviation[0.5].max()
    assert float(brightest) == pytest.approx((0.5 / 250 + (2.5 / 250) ** 2) ** 0.5, rel=0.1)
    # At 15 electrons the formula gives 0.25; clipping at black and white takes a little of it.
    assert 0.2 < float(darkest) < 0.26


def test_what_is_hidden_covers_the_mouth_the_eyes_or_a_side():
    count = 200
    images = torch.full((count, 1, SIZE, SIZE), 2.0)  # brighter than any cover
    hidden = disturbances.hide_part(images, _landmarks(count), torch.ones(count, dtype=torch.bool), _rng()) < 1.5
    mouth = hidden[:, 0, 44:51, 25:40].all(dim=(1, 2))
    eyes = hidden[:, 0, 20:25, 13:51].all(dim=(1, 2))
    left, right = hidden[:, 0, 22:32, 7:32].all(dim=(1, 2)), hidden[:, 0, 22:32, 33:57].all(dim=(1, 2))
    kinds = torch.stack([mouth & ~left & ~right, eyes & ~mouth, left & ~eyes & ~right, right & ~eyes & ~left])
    assert (kinds.sum(dim=0) == 1).all()
    share = kinds.float().mean(dim=1)
    assert share.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 6, 1 / 6], abs=0.1)


def test_an_infrared_lamp_is_brightest_on_the_face_and_falls_off_around():
    flat = torch.full((40, 1, SIZE, SIZE), 0.5)
    seen = disturbances.infrared(flat, torch.ones(40, dtype=torch.bool), _rng())[:, 0]
    brightest = seen.flatten(1).argmax(dim=1)
    rows, columns = brightest // SIZE, brightest % SIZE
    assert ((torch.stack([rows, columns]) - 31.5).abs() <= 0.2 * SIZE + 1).all()
    assert (seen.amax(dim=(1, 2)) > 0.5).all()  # skin is bright
    corners = seen[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners.amax(dim=1) < seen.amax(dim=(1, 2))).all()


def test_infrared_light_flattens_shading_and_keeps_detail():
    # A face lit from the right, with fine stripes. Lamps lie left and right alike, so that they cancel in the mean.
    lit = torch.linspace(0.2, 0.8, SIZE) + 0.05 * (torch.arange(SIZE) % 2)
    seen = disturbances.infrared(lit.expand(600, 1, SIZE, SIZE), torch.ones(600, dtype=torch.bool), _rng())

    def slope_to_detail(columns: torch.Tensor) -> float:
        slope = columns[SIZE // 2 :].mean() - columns[: SIZE // 2].mean()
        return float(slope / (columns[1::2] - columns[::2]).mean())

    assert slope_to_detail(seen.mean(dim=(0, 1, 2))) < 0.85 * slope_to_detail(lit)


def test_the_augmenter_disturbs_by_its_configuration():
    names = ("flip", "gamma", "side_light", "blur", "noise", "cutout", "rotation_deg", "scale", "shift")
    quiet = dict.fromkeys(names, 0.0)
    side = 96
    crops = (torch.rand(6, side, side, generator=_rng()) * 255).to(torch.uint8)
    landmarks = _landmarks(6) * 1.5
    plain, _ = Augmenter(AugmentationConfig(**quiet), SIZE)(crops, landmarks, _rng())
    for name in ("darkness", "infrared", "hidden_part"):
        none, _ = Augmenter(AugmentationConfig(**quiet, **{name: 0.0}), SIZE)(crops, landmarks, _rng())
        every, _ = Augmenter(AugmentationConfig(**quiet, **{name: 1.0}), SIZE)(crops, landmarks, _rng())
        assert torch.equal(none, plain)
        assert ((every - plain).abs().amax(dim=(1, 2, 3)) > 0.1).all(), name
