"""A network applied to a part: each sample once, every space kept."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from spacewise.allocator import keep_memory
from spacewise.learn.global_batch import Share, global_batch
from spacewise.nets.chain import Chain, read_space

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def fast_precision() -> str:
    """`bf16` where this machine multiplies in it faster than in float32, else `float32`."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bf16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "float32"


def fabric(precision: str, **options: object) -> Fabric:
    """Fabric with our names of precisions."""
    from lightning_fabric import Fabric  # seconds to import: it brings the compiler along

    keep_memory()
    if "LOCAL_WORLD_SIZE" in os.environ:  # torchrun: on a CPU, Fabric would take "auto" for one device
        atexit.register(_leave_group)
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        options = {"devices": here, "num_nodes": int(os.environ["WORLD_SIZE"]) // here, **options}
    chosen = fast_precision() if precision == "auto" else precision
    return Fabric(precision={"bf16": "bf16-mixed", "float32": "32-true"}[chosen], **options)  # type: ignore[arg-type]


def strategy(chain: Chain, spaces: Iterable[Sequence[str]]) -> str:
    """How processes share gradients: none may wait for those of layers above every space that has a loss.

    Args:
        spaces: those under the loss, of each kind of step that there is.
    """
    if "LOCAL_WORLD_SIZE" not in os.environ or not any(unreached(chain, each) for each in spaces):
        return "auto"
    return "ddp_find_unused_parameters_true"


def unreached(chain: Chain, spaces: Sequence[str]) -> list[str]:
    """Names of the parameters that no gradient of these spaces reaches."""
    training, device = chain.training, chain.preprocess.mean.device
    values = chain.eval()(torch.zeros(1, chain.bands, chain.size, chain.size, device=device))
    chain.train(training)
    total = torch.stack([read_space(values, name).float().sum() for name in spaces]).sum()
    named = {name: parameter for name, parameter in chain.named_parameters() if parameter.requires_grad}
    gradients = torch.autograd.grad(total, list(named.values()), allow_unused=True)
    return [name for name, gradient in zip(named, gradients, strict=True) if gradient is None]


def _leave_group() -> None:
    """Ends the group before the interpreter does: its threads would abort the process."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


class Selected(nn.Module):
    """A chain that returns only the vectors asked for: what is not returned is not converted or gathered.

    Args:
        watched: spaces that are returned, too, without a gradient.
        share: of this process in every block of the batch.
    """

    def __init__(self, chain: Chain, spaces: Sequence[str], watched: Sequence[str] = (), share: Share = (0, 1)) -> None:
        super().__init__()
        self.chain, self.share = chain, share
        self.wanted, self.watched = tuple(spaces), tuple(watched)

    def forward(self, *blocks: Tensor) -> dict[str, Tensor]:
        """Of a batch that is made of blocks of images (sample, band, height, width), in one pass."""
        images = torch.cat(blocks) if len(blocks) > 1 else blocks[0]
        with global_batch([len(block) for block in blocks], self.share):
            spaces = self.chain(images)
        wanted = {name: read_space(spaces, name) for name in self.wanted}
        return wanted | {name: read_space(spaces, name).detach() for name in self.watched}


def embed(
    chain: Chain, batches: Iterable[Tensor], spaces: Sequence[str], *, precision: str = "float32"
) -> dict[str, np.ndarray]:
    """Every named space of every sample: float32 vectors (sample, dimension).

    Args:
        batches: images (sample, band, height, width).
        spaces: names, with a reading where wanted (`block3:max`).
        precision: float32 by default, so that an audit does not depend on the machine's bf16.
    """
    blocks = list(embed_each(chain, batches, spaces, precision=precision))
    return {name: np.concatenate([block[name] for block in blocks]) for name in spaces}


def embed_each(
    chain: Chain, batches: Iterable[Tensor], spaces: Sequence[str], *, precision: str = "float32"
) -> Iterator[dict[str, np.ndarray]]:
    """The same batch by batch, for what does not fit into memory; arguments as `embed`."""
    keep_memory()
    training = chain.training
    device = chain.preprocess.mean.device
    # before inference: weights laid out within it could never again take part in a gradient
    chain.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        for images in batches:
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                values = chain(images.to(device))
                block = {name: read_space(values, name).float().cpu().numpy() for name in spaces}
            yield block
    finally:
        chain.train(training)
