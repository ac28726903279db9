"""Pieces of a batch, each with what a layer makes of the whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from spacewise.errors import InputError
from spacewise.learn.global_batch import GlobalBatch, global_batch

CHANNELS_LAST = torch.channels_last
LENGTHS = (4, 6)  # of the blocks of a batch
LAYERS: dict[str, Callable[[Tensor], Tensor]] = {
    "dropout": nn.Dropout(0.3),
    "dropout in place": lambda values: nn.Dropout(0.3, inplace=True)(values.clone()),
    "whole maps": nn.Dropout2d(0.3),
    "stochastic depth": lambda values: values * values.new_empty(len(values), 1, 1, 1).bernoulli_(0.6) / 0.6,
    "none in evaluation": nn.Dropout(0.3).eval(),
    "nothing": nn.Dropout(0.0),
    "everything": nn.Dropout(1.0),
    "two after each other": nn.Sequential(nn.Dropout(0.3), nn.Dropout(0.5)),
}


def blocks(values: Tensor, rank: int, processes: int) -> list[Tensor]:
    """A rank's piece of each block."""
    return [block.chunk(processes)[rank] for block in values.split(LENGTHS)]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, CHANNELS_LAST])
def test_dropout_is_drawn_for_the_whole_batch(layer: str, kind: torch.dtype, layout: torch.memory_format) -> None:
    """Bit for bit what one process makes of the rows, its random numbers drawn in the order of the memory."""
    values = torch.randn(10, 5, 4, 3).to(kind).to(memory_format=layout)
    torch.manual_seed(3)
    whole = LAYERS[layer](values)
    after = torch.rand(1)
    for rank in range(2):
        pieces = blocks(values, rank, 2)
        torch.manual_seed(3)
        with global_batch([len(piece) for piece in pieces], (rank, 2)):
            found = LAYERS[layer](torch.cat(pieces).to(memory_format=layout))
        assert torch.equal(found, torch.cat(blocks(whole, rank, 2)))
        assert torch.equal(torch.rand(1), after)  # whoever draws next finds the generator as in one process


def test_vectors_and_gradients() -> None:
    values = torch.randn(10, 7, requires_grad=True)
    torch.manual_seed(3)
    (whole,) = torch.autograd.grad(nn.functional.dropout(values).square().sum(), values)
    pieces = blocks(values, 1, 2)
    torch.manual_seed(3)
    with global_batch([2, 3], (1, 2)):
        (found,) = torch.autograd.grad(nn.functional.dropout(torch.cat(pieces)).square().sum(), values)
    assert torch.equal(torch.cat(blocks(found, 1, 2)), torch.cat(blocks(whole, 1, 2)))


def test_one_process_sees_nothing_of_it() -> None:
    assert not isinstance(global_batch([4], (0, 1)), GlobalBatch)


def test_evaluation_needs_no_other_process() -> None:
    layer, values = nn.BatchNorm2d(3).eval(), torch.randn(4, 3, 5, 5)
    with global_batch([4], (0, 2)):
        assert torch.equal(layer(values), nn.BatchNorm2d(3).eval()(values))


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda values: nn.Dropout()(values.flatten(0, 1)), "dropout meets values (20, 3) whose first axis is not"),
        (nn.AlphaDropout(0.5), "alpha_dropout cannot be drawn for several processes as for one"),
        (nn.RReLU(), "rrelu cannot be drawn"),
    ],
)
def test_what_cannot_be_drawn_as_in_one_process_is_refused(draw: Callable[[Tensor], Tensor], said: str) -> None:
    with pytest.raises(InputError) as caught, global_batch([4], (0, 2)):
        draw(torch.randn(4, 5, 3))
    assert said in str(caught.value)
    for layer in (nn.AlphaDropout(0.5), nn.RReLU()):
        with global_batch([4], (0, 2)):
            layer.eval()(torch.randn(4, 5, 3))


NORMALISED = """
import sys
import torch
from torch import nn
from spacewise.learn.global_batch import global_batch

torch.distributed.init_process_group("gloo")
rank, cases = torch.distributed.get_rank(), torch.load(sys.argv[1], weights_only=True)
for number, case in enumerate(cases):
    maps = torch.cat([block.chunk(2)[rank] for block in case["maps"].split([4, 6])]).requires_grad_()
    gradient = torch.cat([block.chunk(2)[rank] for block in case["gradient"].split([4, 6])])
    layer = [nn.BatchNorm1d, nn.BatchNorm2d][maps.ndim == 4](maps.shape[1], **case["options"])
    layer.load_state_dict(case["before"])
    with global_batch([2, 3], (rank, 2)):
        found = layer(maps)
        found = layer(maps)  # statistics follow the batches
    found.backward(gradient)
    wanted = torch.cat([block.chunk(2)[rank] for block in case["found"].split([4, 6])])
    slopes = torch.cat([block.chunk(2)[rank] for block in case["slopes"].split([4, 6])])
    close = dict(rtol=0.02, atol=0.02) if maps.dtype == torch.bfloat16 else dict(rtol=1e-5, atol=case["atol"])
    torch.testing.assert_close(found, wanted, msg=f"{number} maps", **close)
    torch.testing.assert_close(maps.grad, slopes, msg=f"{number} gradient", **close)
    for name, value in layer.state_dict().items():
        torch.testing.assert_close(value, case["after"][name], rtol=case["rtol"], atol=1e-6, msg=f"{number} {name}")
    for name, parameter in layer.named_parameters():
        torch.distributed.all_reduce(parameter.grad)
        close = dict(rtol=1e-4, atol=10 * case["atol"], msg=f"{number} {name}")
        torch.testing.assert_close(parameter.grad, case[name], **close)
"""
KINDS = {
    "maps": (torch.randn(10, 5, 4, 4), {}),
    "channels last": (torch.randn(10, 5, 4, 4).to(memory_format=CHANNELS_LAST), {"momentum": 0.01}),
    "a mean of 10,000": (torch.randn(10, 5, 4, 4) + 1e4, {}),
    "vectors": (torch.randn(10, 6), {"eps": 1e-3}),
    "without scale and offset": (torch.randn(10, 6), {"affine": False}),
    "without statistics": (torch.randn(10, 6), {"track_running_stats": False}),
    "the mean of all batches": (torch.randn(10, 6), {"momentum": None}),
    "bfloat16": (torch.randn(10, 5, 4, 4).bfloat16().to(memory_format=CHANNELS_LAST), {}),
}


def test_batch_normalisation_of_two_processes_is_that_of_one(
    two_processes: Callable[..., None], tmp_path: Path
) -> None:
    cases = []
    for name, (maps, options) in KINDS.items():
        layer = [nn.BatchNorm1d, nn.BatchNorm2d][maps.ndim == 4](maps.shape[1], **options)  # type: ignore[arg-type]
        for parameter in layer.parameters():
            nn.init.normal_(parameter)
        before = {key: value.clone() for key, value in layer.state_dict().items()}
        values = maps.clone().requires_grad_()
        layer(values)
        found = layer(values)
        gradient = torch.randn_like(found)
        found.backward(gradient)
        gradients = {key: parameter.grad for key, parameter in layer.named_parameters()}
        # float32 has steps of 0.001 at 10,000
        fine = {"atol": 5e-3, "rtol": 1e-4} if "10,000" in name else {"atol": 1e-5, "rtol": 1e-5}
        case = {"maps": maps, "options": options, "before": before, "found": found.detach(), "gradient": gradient}
        case |= {"slopes": values.grad, "after": layer.state_dict(), **fine}
        cases.append(case | gradients)
    torch.save(cases, tmp_path / "cases.pt")
    two_processes(NORMALISED, tmp_path / "cases.pt")
