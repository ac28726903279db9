"""Networks that timm builds, as chains. Without the extra only its absence is tested."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from spacewise import nets, runs
from spacewise.errors import InputError
from spacewise.nets import Chain, output_sizes, parameter_count

Command = Callable[..., tuple[int, str, str]]
NETS = {"densenet121": nets.densenet121, "mobilenet-v2": nets.mobilenet_v2}
needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="needs the extra vision")


def drawn(build: Callable[..., Chain], *args: int, seed: int = 0, **options: str) -> Chain:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(*args, **options)


@pytest.mark.parametrize("name", NETS)
def test_a_missing_extra_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=rf'{name} needs the extra vision: pip install "spacewise\[vision\]"'):
        NETS[name](3)


@pytest.mark.parametrize("name", NETS)
def test_a_wrong_stem_or_size_is_one_line(name: str) -> None:
    with pytest.raises(InputError, match="unknown stem 'smal': did you mean 'small'"):
        NETS[name](3, stem="smal")
    with pytest.raises(InputError, match=f"{name}: 31 x 31 pixels are too few; use images of 32 pixels or more"):
        NETS[name](3, 1, 31)
    with pytest.raises(InputError, match=f"{name}: 7 x 7 pixels are too few; use images of 8 pixels or more"):
        NETS[name](3, 1, 7, stem="small")


@needs_timm
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(("bands", "size", "stem"), [(1, 32, "imagenet"), (3, 64, "small"), (5, 8, "small")])
def test_images_of_any_bands_and_size_go_through(name: str, bands: int, size: int, stem: str) -> None:
    chain = drawn(NETS[name], 4, bands, size, stem=stem).train()
    found = chain(torch.rand(2, bands, size, size))
    assert tuple(found) == chain.spaces
    assert found["feature"].shape == (2, {"densenet121": 1024, "mobilenet-v2": 1280}[name])
    assert found["classifier"].shape == (2, 4)
    found["classifier"].square().sum().backward()
    assert all(parameter.grad is not None for parameter in chain.parameters())
    assert all(parameter.grad.any() for parameter in chain.parameters() if parameter.ndim == 4)


@needs_timm
@pytest.mark.parametrize(("stem", "sides"), [("imagenet", [8, 8, 4, 2, 1]), ("small", [32, 32, 16, 8, 4])])
def test_the_stages_of_densenet(stem: str, sides: list[int]) -> None:
    sizes = output_sizes(nets.densenet121(10, 3, 32, stem=stem))
    assert [sizes[name] for name in ("stem", "stage1", "stage2", "stage3", "stage4")] == [
        (channels, side, side) for channels, side in zip((64, 256, 512, 1024, 1024), sides)
    ]


@needs_timm
@pytest.mark.parametrize(
    ("stem", "sides"), [("imagenet", [16, 16, 8, 4, 2, 2, 1, 1]), ("small", [32, 32, 32, 16, 8, 8, 4, 4])]
)
def test_the_stages_of_mobilenet_are_those_of_table_2(stem: str, sides: list[int]) -> None:
    sizes = output_sizes(nets.mobilenet_v2(10, 3, 32, stem=stem))
    assert [sizes[name] for name in ("stem", *(f"stage{number}" for number in range(1, 8)))] == [
        (channels, side, side) for channels, side in zip((32, 16, 24, 32, 64, 96, 160, 320), sides)
    ]


@needs_timm
def test_parameters_are_those_of_the_papers() -> None:
    """7,978,856 and 3,504,872 at a thousand classes, as every implementation of them has."""
    with torch.device("meta"):
        assert parameter_count(nets.densenet121(1000)) == 7_978_856
        assert parameter_count(nets.mobilenet_v2(1000)) == 3_504_872


@needs_timm
@pytest.mark.parametrize("name", NETS)
def test_weights_come_from_torchs_generator_and_from_nowhere_else(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: asked.append(address))
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: asked.append(address))
    one, same, other = (drawn(NETS[name], 3, 1, 32, seed=seed, stem="small").state_dict() for seed in (0, 0, 1))
    assert not asked
    for key, value in one.items():
        assert torch.equal(value, same[key]), key
        assert value.ndim < 2 or not torch.equal(value, other[key]), key


@needs_timm
@pytest.mark.parametrize("name", NETS)
def test_it_is_trained_by_name_and_read_back(name: str, spacewise: Command, pictures: Path, tmp_path: Path) -> None:
    words = f"--net {name} --size 32 --set net.stem=small --loss crossentropy@classifier --epochs 1"
    code, _, said = spacewise("train", "--data", pictures, *words.split(), "--out", tmp_path / "run")
    assert code == 0, said
    run = runs.open_run(tmp_path / "run", weights="last")
    assert isinstance(run.net.last_layer(), nn.Linear)
    assert run.experiment.net.options == {"size": 32, "stem": "small"}
