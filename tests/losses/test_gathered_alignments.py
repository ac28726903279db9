"""Every alignment of domains that are gathered over two processes is what it is in one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.losses.naive_alignments import NAIVE
from tests.losses.two_domains import DIMENSION, domains, made

from spacewise.losses.alignment import Domains

GATHERED = """
import json, sys
from types import SimpleNamespace
import torch
from lightning_fabric import Fabric
from torch import nn
from spacewise.learn.training import Training
from spacewise.losses.alignment import Domains
from tests.losses.two_domains import made

out, texts = sys.argv[1], json.loads(sys.argv[2])
data = torch.load(out + "/data.pt", weights_only=True)
fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
fabric.launch()
torch.set_num_threads(1)
mine = [values[fabric.global_rank * len(values) // 2 :][: len(values) // 2] for values in data["domains"]]
found = {}
for text in texts:
    loss = made(text, 3)
    net = nn.Linear(5, 5, bias=False)
    net.load_state_dict({"weight": data["weight"]})
    model = fabric.setup(net)
    images = torch.cat(mine[:2])
    vectors = model(images).split([len(values) for values in mine[:2]])  # one forward pass of the wrapper
    gather = lambda values, **options: Training.gather(SimpleNamespace(fabric=fabric), values, **options)
    whole = [gather(values, sync_grads=True) for values in vectors]
    value = loss.align(Domains(*whole, *(gather(values) for values in mine[2:])))
    fabric.backward(value)
    own = [parameter.grad.tolist() for parameter in loss.parameters()]
    found[text] = [float(value), net.weight.grad.tolist(), own]
with open(f"{out}/found{fabric.global_rank}.json", "w") as file:
    json.dump(found, file)
"""


def test_gathered_over_two_processes_as_in_one(tmp_path: Path, two_processes: Callable[..., None]) -> None:
    """Eight samples of the source and six of the target, of which each process takes half."""
    given = domains(dtype=torch.float32)
    images = (given.source.detach(), given.target.detach())
    facts = (given.source_labels, given.target_labels, given.target_probability)
    data = {"domains": [*images, *facts], "weight": torch.eye(DIMENSION) + 0.1}
    torch.save(data, tmp_path / "data.pt")
    two_processes(GATHERED, tmp_path, json.dumps(list(NAIVE)))
    found = [json.loads((tmp_path / f"found{rank}.json").read_text()) for rank in (0, 1)]
    for text in NAIVE:
        loss, weight = made(text, 3), data["weight"].clone().requires_grad_()
        value = loss.align(Domains(*(values @ weight.T for values in images), *facts))
        value.backward()
        for process in found:
            its_value, gradient, own = process[text]
            assert its_value == pytest.approx(float(value.detach()), rel=1e-5), text
            torch.testing.assert_close(torch.tensor(gradient), weight.grad, msg=text)
            for one, parameter in zip(own, loss.parameters(), strict=True):
                torch.testing.assert_close(torch.tensor(one), parameter.grad, msg=text)
