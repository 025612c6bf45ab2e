"""Mixed precision only where it pays."""

import pytest
import torch

from emotional_dan_ros.training import precision
from emotional_dan_ros.training.precision import choose_precision


@pytest.mark.parametrize(("native", "chosen"), [(True, "bf16"), (False, "float32")])
def test_auto_is_bf16_only_where_the_device_multiplies_it(monkeypatch, native, chosen):
    monkeypatch.setattr(precision, "processor_has_bfloat16", lambda: native)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    assert choose_precision("auto", torch.device("cpu")) == chosen
    assert choose_precision("auto", torch.device("cuda")) == chosen


@pytest.mark.parametrize("name", ["bf16", "float32"])
def test_what_was_asked_for_is_kept(name):
    assert choose_precision(name, torch.device("cpu")) == name
