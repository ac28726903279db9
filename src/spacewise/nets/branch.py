"""One domain's way through a Y-shaped network: an encoder of the table, an embedding, a head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from spacewise.describe import described, make_named
from spacewise.errors import InputError
from spacewise.nets.chain import Chain, Spaces, output_sizes, read_space
from spacewise.nets.normalisation import normalise
from spacewise.nets.preprocess import Preprocess

LAST = ("classifier", "probability")  # an encoder has none of its own
RENAMED = {"feature": "encoded"}  # everywhere else, `feature` is what the last layer reads
WHOLE = ("branch", "projected", "y-shaped")  # of the table; all others can encode
EXAMPLE = "{name: aconvnet, padding: same}"


class Branch(Chain):
    """Encoder, embedding and head.

    Spaces: those of the encoder (its `feature` is called `encoded` here), `embedding`, `classifier`,
    `probability`. The embedding is linear, and so is the head on it: what is aligned between two domains is
    what the head reads.

    Attributes:
        encoder: from preprocessed images to its spaces, the last of which is embedded; `bare`.
        embed: the linear layer from the encoder's last space to `embedding`.
        head: the linear layer from `embedding` to `classifier`.
    """

    head_path = "head"
    description: Mapping[str, Any]  # how it was made, for an experiment

    def __init__(self, encoder: Chain, preprocess: Preprocess, embed: nn.Linear, head: nn.Linear) -> None:
        super().__init__(encoder.bands, encoder.size)
        self.preprocess = preprocess
        self.encoder, self.embed, self.head = encoder, embed, head
        self.spaces = (*(RENAMED.get(name, name) for name in own_spaces(encoder)), "embedding", *LAST)

    def represent(self, images: Tensor) -> Spaces:
        own = own_spaces(self.encoder)
        found = self.encoder(images)
        spaces = {RENAMED.get(name, name): found[name] for name in own}
        spaces["embedding"] = vector = self.embed(read_space(found, own[-1]))
        spaces["classifier"] = logits = self.head(vector)
        spaces["probability"] = logits.float().softmax(dim=1)
        return spaces


def own_spaces(encoder: Chain) -> list[str]:
    """Names of an encoder's spaces, less those that its head would make."""
    return [name for name in encoder.spaces if name not in LAST]


def encoded_dimension(encoder: Chain) -> int:
    """Dimension of an encoder's last space, read as vectors. It runs once, and meets images that are too small."""
    return output_sizes(encoder)[own_spaces(encoder)[-1]][0]


def bare(chain: Chain) -> Chain:
    """A network without its head and its preprocessing, changed in place: nothing that it learns lies idle."""
    if chain.last_layer() is not None:
        chain.set_submodule(chain.head_path, nn.Identity())
    chain.set_submodule("preprocess", nn.Identity())
    return chain


def name_and_options(named: Mapping[str, Any] | str) -> tuple[str, dict[str, Any]]:
    """An encoder as an experiment writes it, its name apart; `InputError` where there is none."""
    options = {"name": named} if isinstance(named, str) else dict(named)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise InputError(f"encoder is a network's name, or its name and options like {EXAMPLE}, not {named!r}")
    return name, options


def build_encoder(named: Mapping[str, Any] | str, classes: int, bands: int, size: int, normalisation: str) -> Chain:
    """A network of the table, by its name or by name and options, `bare` and normalised as asked.

    Raises:
        InputError: no name, or an unknown one; an option that it does not have; as `normalise`.
    """
    from spacewise.nets import NETS  # the table holds what this file makes: on top, this would be a circle

    name, options = name_and_options(named)
    if "weights" in options:
        raise InputError(f"encoder {name} takes no weights of its own; a pretraining on the source makes them")
    table = {key: build for key, build in NETS.items() if key not in WHOLE}
    chain = make_named("encoder", table, name, options, classes=classes, bands=bands, size=size)
    normalise(chain, normalisation, name)
    return bare(chain)


def check_dimension(net: str, dimension: int) -> None:
    """Raises `InputError` for an embedding of no dimension."""
    if dimension < 1:
        raise InputError(f"{net}: dimension of the embedding must be 1 or more, not {dimension}")


@described
def branch(
    classes: int,
    bands: int = 1,
    size: int = 32,
    *,
    encoder: Mapping[str, Any] | str = "resnet20",
    dimension: int = 64,
    normalisation: str = "batch",
) -> Branch:
    """An encoder under an embedding and a head: one branch of a Y-shaped network, to be trained by itself.

    Args:
        classes: number of classes.
        bands: bands of the image.
        size: height and width in pixels.
        encoder: name of a network, or its name and options: `{"name": "aconvnet", "padding": "same"}`.
        dimension: of the embedding.
        normalisation: of the encoder: `"batch"`, as it is built, or `"instance"`.

    Raises:
        InputError: an unknown encoder, option or normalisation; images too small for the encoder or its
            normalisation; a dimension below 1.
    """
    check_dimension("branch", dimension)
    built = build_encoder(encoder, classes, bands, size, normalisation)
    embed = nn.Linear(encoded_dimension(built), dimension)
    return Branch(built, Preprocess(bands), embed, nn.Linear(dimension, classes))
