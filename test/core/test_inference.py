"""How the network is run: the fast form against the plain one, threads, batches, precision, graphs."""

import threading

import numpy as np
import pytest
import torch

from emotional_dan_ros.core import inference, inference_network
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.inference import choose_dtype, make_engine, names_bfloat16
from emotional_dan_ros.core.inference_cpu import MAX_FACES_AT_ONCE, CpuEngine, cut
from emotional_dan_ros.core.inference_cuda import StaticBatchEngine
from emotional_dan_ros.core.inference_network import InferenceNetwork
from emotional_dan_ros.core.single_threads import SingleThreads
from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.model.preprocess import prepare_crops

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no CUDA device here")


def _model(norm_order: str, image_size: int = 32) -> EmotionalDAN:
    """A network whose every tensor matters: no statistic is 0 or 1, no layer nearly zero."""
    generator = torch.Generator().manual_seed(3)
    config = ModelConfig(image_size=image_size, width=0.25, norm_order=norm_order, heatmap_half_px=4)
    model = EmotionalDAN(config, torch.rand(68, 2, generator=generator) * image_size * 0.6 + image_size * 0.2)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            for tensor in (module.running_var, module.weight.data):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            for tensor in (module.running_mean, module.bias.data):
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3)
    for stage in (model.stage1, model.stage2):
        stage.landmarks.weight.data.normal_(std=0.02, generator=generator)
    # Some channels turned round: ReLU, normalisation and pooling then do not commute.
    model.stage2.trunk.blocks[1][0][-1 if norm_order == "relu_bn" else 1].weight.data[::2] *= -1
    return model.eval()


def _crops(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 112, 112), dtype=np.uint8)


@torch.inference_mode()
def _plain(model: EmotionalDAN, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks in px of the crop and logits, by the network as it is trained."""
    size = model.config.image_size
    output = model(prepare_crops(torch.from_numpy(crops), size))
    # The crop's edges, half a pixel outside its outer centres, are the input's edges.
    return ((output.landmarks + 0.5) * (112 / size) - 0.5).numpy(), output.logits.numpy()


@torch.inference_mode()
def _run(network: InferenceNetwork, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    result = network(torch.from_numpy(crops)).numpy()
    return result[:, :136].reshape(-1, 68, 2), result[:, 136:]


@pytest.mark.parametrize("image_size", [32, 64])
@pytest.mark.parametrize("norm_order", ["bn_relu", "relu_bn"])
@pytest.mark.parametrize("with_onednn", [True, False])
def test_the_fast_form_computes_what_the_network_computes(norm_order, image_size, with_onednn, monkeypatch):
    if not with_onednn:
        monkeypatch.setattr(inference_network, "_pack", lambda *_: None)
        monkeypatch.setattr(inference_network, "_pack_dense", lambda *_: None)
    model, crops = _model(norm_order, image_size), _crops(3)
    landmarks, logits = _run(InferenceNetwork(model, torch.float32, CPU), crops)
    expected_landmarks, expected_logits = _plain(model, crops)
    assert np.ptp(expected_logits) > 0.1
    assert np.abs(landmarks - expected_landmarks).max() < 2e-3
    assert np.abs(logits - expected_logits).max() < 1e-3


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this build of PyTorch has no oneDNN")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_onednn_takes_the_weights(dtype):
    if dtype is torch.bfloat16 and not inference.processor_has_bfloat16():
        pytest.skip("this processor has no instructions for bfloat16")
    # Without, all is computed, but slowly: nothing else would tell.
    assert inference_network._pack(torch.rand(32, 3, 3, 3).to(dtype), 64) is not None
    assert inference_network._pack_dense(torch.rand(32, 64).to(dtype)) is not None


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this build of PyTorch has no oneDNN")
@pytest.mark.parametrize("faces", [1, 5])
def test_weights_are_put_in_order_once_and_not_in_every_call(faces, capfd):
    # Without AVX-512 the order depends on how many threads share a layer: a face took 60 ms instead of 13.
    model = EmotionalDAN(ModelConfig(image_size=64, width=0.5, norm_order="bn_relu", heatmap_half_px=4)).eval()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        engine = make_engine(model, CPU, torch.float32, num_threads=2)
        engine(_crops(faces))
        with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
            engine(_crops(faces))
    finally:
        torch.set_num_threads(before)
    told = [line.split(",") for line in capfd.readouterr().out.splitlines() if line.startswith("onednn_verbose")]
    work = [words for words in told if "exec" in words]
    assert sum("convolution" in words for words in work) >= 16
    assert [words for words in work if "reorder" in words and "x3x3" in words[-2]] == []


@pytest.mark.parametrize("norm_order", ["bn_relu", "relu_bn"])
def test_bfloat16_rounds_and_no_more(norm_order):
    model, crops = _model(norm_order), _crops(4)
    landmarks, logits = _run(InferenceNetwork(model, torch.bfloat16, CPU), crops)
    expected_landmarks, expected_logits = _plain(model, crops)
    assert np.abs(landmarks - expected_landmarks).mean() < 0.1
    assert np.abs(logits - expected_logits).max() < 0.05 * np.ptp(expected_logits) + 0.02
    assert np.abs(logits - expected_logits).max() > 0  # it is not float32 by another name


def test_the_model_is_not_changed():
    model = _model("bn_relu")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    _run(InferenceNetwork(model, torch.bfloat16, CPU), _crops(1))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_faces_of_a_batch_do_not_touch_each_other():
    network = InferenceNetwork(_model("bn_relu"), torch.float32, CPU)
    crops = _crops(5)
    together, _ = _run(network, crops)
    crops[[0, 1, 3, 4]] = 0
    among_others, _ = _run(network, crops)
    alone, _ = _run(network, crops[2:3])
    assert np.abs(together[2] - among_others[2]).max() < 1e-3
    assert np.abs(together[2] - alone[0]).max() < 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_same_batch_gives_the_same_bits_with_any_number_of_threads(dtype):
    network = InferenceNetwork(_model("bn_relu"), dtype, CPU)
    crops = _crops(19)
    first = CpuEngine(network, SingleThreads(2))(crops)
    assert all(np.array_equal(CpuEngine(network, SingleThreads(count))(crops), first) for count in (1, 2, 3))


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (2, [1, 1]), (3, [2, 1]), (4, [2, 2]), (9, [5, 4]), (64, [8] * 8)]
)
def test_parts_of_a_batch(count, sizes):
    parts = cut(count)
    assert [len(range(count)[part]) for part in parts] == sizes
    assert [k for part in parts for k in range(count)[part]] == list(range(count))


def test_faces_are_shared_out_and_come_back_in_order():
    at_once, threads = [], set()

    def network(faces):
        at_once.append(len(faces))
        threads.add(threading.current_thread().name)
        assert torch.get_num_threads() == 1
        return faces[:, 0, :2].float()

    crops = _crops(21)
    result = CpuEngine(network, SingleThreads(2))(crops)
    assert np.array_equal(result, crops[:, 0, :2])
    assert max(at_once) <= MAX_FACES_AT_ONCE
    assert sum(at_once) == 21
    assert threading.current_thread().name not in threads


def test_pytorch_keeps_its_number_of_threads_elsewhere():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        CpuEngine(lambda faces: faces[:, 0].float(), SingleThreads(2))(_crops(4))
        seen = []
        later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        later.start()
        later.join(10)
        assert (torch.get_num_threads(), seen) == (3, [3])
    finally:
        torch.set_num_threads(before)


def test_a_failure_in_a_thread_is_told():
    def network(faces):
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        CpuEngine(network, SingleThreads(2))(_crops(2))


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 sse\n", True),
        ("processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\n", True),  # Arm
        ("flags\t\t: fpu avx2 avx512f avx512_vnni\nmodel name\t: a bf16 lookalike\n", False),
        ("", False),
    ],
)
def test_instructions_for_bfloat16(cpuinfo, expected):
    assert names_bfloat16(cpuinfo) is expected


@pytest.mark.parametrize(
    ("precision", "device", "has_bfloat16", "expected"),
    [
        ("auto", "cpu", True, torch.bfloat16),
        ("auto", "cpu", False, torch.float32),
        ("auto", "cuda", False, torch.float16),
        ("float32", "cpu", True, torch.float32),
        ("bfloat16", "cpu", False, torch.bfloat16),
        ("float16", "cuda", False, torch.float16),
    ],
)
def test_precision_by_device(precision, device, has_bfloat16, expected, monkeypatch):
    monkeypatch.setattr(inference, "processor_has_bfloat16", lambda: has_bfloat16)
    assert choose_dtype(precision, torch.device(device)) is expected


def test_a_precision_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="precision: expected one of auto, float32"):
        choose_dtype("int4", CPU)
    with pytest.raises(UserError, match="float16 is for GPUs"):
        choose_dtype("float16", CPU)


class _Recorder:
    """In place of CUDA graphs: notes what is recorded and how often each recording is played."""

    def __init__(self):
        self.played = []

    def __call__(self, step):
        index = len(self.played)
        self.played.append(0)

        def replay():
            self.played[index] += 1
            step()

        return replay


def _sums(faces):
    return faces.sum(dim=(1, 2), dtype=torch.float32)[:, None]


def test_batches_are_padded_to_a_recorded_size():
    seen, recorder = [], _Recorder()

    def network(faces):
        seen.append(len(faces))
        return _sums(faces)

    engine = StaticBatchEngine(network, CPU, record=recorder)
    for count in (1, 3, 4, 7, 2, 3):
        crops = _crops(count)
        assert np.array_equal(engine(crops), crops.reshape(count, -1).sum(axis=1, dtype=np.float32)[:, None])
    assert seen == [1, 4, 4, 8, 2, 4]
    assert recorder.played == [1, 3, 1, 1]  # sizes 1, 4, 8, 2: each recorded once
    engine(_crops(20))
    assert seen[-1] == 20
    assert len(recorder.played) == 4  # too large to be worth a recording


def test_results_belong_to_the_caller_and_faces_of_before_do_not_come_back():
    engine = StaticBatchEngine(_sums, CPU, sizes=(4,))
    full = np.full((4, 112, 112), 255, np.uint8)
    first = engine(full)
    kept = first.copy()
    assert engine(np.zeros((1, 112, 112), np.uint8)).tolist() == [[0.0]]
    assert np.array_equal(first, kept)


@needs_cuda
@pytest.mark.parametrize("count", [1, 3, 8, 11])
def test_graphs_agree_with_the_plain_network(count):
    device = torch.device("cuda")
    model, crops = _model("bn_relu", 64), _crops(count)
    engine = StaticBatchEngine(InferenceNetwork(model, torch.float16, device), device)
    engine(_crops(count)[::-1].copy())  # records
    result = engine(crops)
    expected_landmarks, expected_logits = _plain(model, crops)
    assert np.abs(result[:, :136].reshape(-1, 68, 2) - expected_landmarks).max() < 0.5
    assert np.abs(result[:, 136:] - expected_logits).max() < 0.02 * np.ptp(expected_logits) + 0.02


@needs_cuda
def test_graphs_give_the_same_bits_again():
    device = torch.device("cuda")
    engine = StaticBatchEngine(InferenceNetwork(_model("bn_relu", 64), torch.float16, device), device)
    crops = _crops(4)
    first = engine(crops)
    engine(_crops(3))
    assert np.array_equal(engine(crops), first)
