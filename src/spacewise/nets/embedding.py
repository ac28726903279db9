"""NetA to NetF: VGG16's convolutions with batch normalisation, max-pooled, and up to three embedding layers.

Source: Vo and Hays, Generalization in Metric Learning: Should the Embedding Layer be the Embedding Layer?
(section 3, figures 4 and 5).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from spacewise.describe import described
from spacewise.errors import InputError, unknown
from spacewise.nets.chain import Chain, Spaces, largest
from spacewise.nets.vgg import WIDTHS, convolutions
from spacewise.nets.weights import FETCH, read_weights, start_from

CONVOLUTIONS = tuple(f"{block}.{layer}" for block, w in enumerate(WIDTHS, start=1) for layer in range(1, len(w) + 1))
EMBEDDINGS = ("fc6", "fc7", "fc8")


class EmbeddingVGG(Chain):
    """Spaces `pool1.1` to `pool5.3`, those of `fc6`, `fc7`, `fc8` that there are, and the head's.

    `poolB.L` is the output of convolution B.L after normalisation and ReLU, its largest value over all
    positions: (sample, channel). Embedding layers are read before the ReLU that stands between them, so
    that fc6 is the same thing whether it comes last or not; there is none after the last.
    """

    head_path = "head"

    def __init__(self, classes: int, bands: int, size: int, width: int, layers: int, dimension: int, head: bool):
        super().__init__(bands, size)
        self.features = convolutions(bands, normalisation=True, width=width)
        previous = WIDTHS[-1][-1] * width // 64
        self.embeddings = nn.ModuleDict()
        for name in EMBEDDINGS[:layers]:
            self.embeddings[name] = nn.Linear(previous, dimension)
            previous = dimension
        self.head = nn.Linear(previous, classes) if head else None
        self.spaces = (
            *(f"pool{name}" for name in CONVOLUTIONS),
            *EMBEDDINGS[:layers],
            *(("classifier", "probability") if head else ()),
        )

    def represent(self, images: Tensor) -> Spaces:
        spaces: Spaces = {}
        maps = images
        names = iter(CONVOLUTIONS)
        for layer in list(self.features)[:-1]:  # the last pooling is the one over all positions
            maps = layer(maps)
            if isinstance(layer, nn.ReLU):
                spaces[f"pool{next(names)}"] = largest(maps)
        vector = spaces["pool5.3"]
        for name, embedding in self.embeddings.items():
            vector = spaces[name] = embedding(vector.relu() if name != "fc6" else vector)
        if self.head is not None:
            spaces["classifier"] = self.head(vector.relu() if self.embeddings else vector)
            spaces["probability"] = spaces["classifier"].float().softmax(dim=1)
        return spaces

    def start_from(self, path: str, scratch: Sequence[str]) -> None:
        """Takes the convolutions from a file, less those in `scratch` (`conv5.3`).

        Raises:
            InputError: as `read_weights`; a layer that is not there; an entry that does not fit.
        """
        places = [number for number, layer in enumerate(self.features) if isinstance(layer, nn.Conv2d)]
        layers = {f"conv{name}": place for name, place in zip(CONVOLUTIONS, places, strict=True)}
        for name in scratch:
            if name not in layers:
                raise unknown("convolution to start from scratch", name, layers)
        kept = [place for name, place in layers.items() if name not in scratch]
        ours = self.state_dict()
        prefixes = tuple(f"features.{number}." for place in kept for number in (place, place + 1))
        names = [name for name in ours if name.startswith(prefixes) and not name.endswith("num_batches_tracked")]
        start_from(self, read_weights(path, FETCH), names, path)
        self.given = tuple(name for name, _ in self.named_parameters() if name in names)


def _build(
    classes: int,
    bands: int,
    size: int,
    layers: int,
    *,
    width: int,
    dimension: int,
    head: bool,
    weights: str,
    scratch: Sequence[str] = (),
) -> EmbeddingVGG:
    if size < 16:
        raise InputError(f"NetA to NetF: {size} x {size} pixels are too few; use images of 16 pixels or more")
    if width < 8 or width % 8:
        raise InputError(f"width is the first convolution's channels, a multiple of 8, not {width}")
    if dimension < 1:
        raise InputError(f"dimension of the embedding layers must be 1 or more, not {dimension}")
    chain = EmbeddingVGG(classes, bands, size, width, layers, dimension, head)
    if weights:
        chain.start_from(weights, scratch)
    return chain


@described
def netA(
    classes: int,
    bands: int = 3,
    size: int = 224,
    *,
    width: int = 64,
    dimension: int = 512,
    head: bool = False,
    weights: str = "",
) -> EmbeddingVGG:
    """VGG16's convolutions and one embedding layer, fc6, under the loss.

    Args:
        width: channels of the first convolution; 64 is VGG16.
        dimension: of the embedding layers.
        head: a linear layer to the classes on top (`classifier`), so that a classification loss can stand there.
        weights: a local file that the convolutions start from; the embedding layers start from scratch.

    Raises:
        InputError: images below 16 pixels; weights that are missing or do not fit.
    """
    return _build(classes, bands, size, 1, width=width, dimension=dimension, head=head, weights=weights)


@described
def netB(
    classes: int,
    bands: int = 3,
    size: int = 224,
    *,
    width: int = 64,
    dimension: int = 512,
    head: bool = False,
    weights: str = "",
) -> EmbeddingVGG:
    """NetA with conv5.3 from scratch, too (figure 4). Arguments and errors as `netA`."""
    scratch = ("conv5.3",)
    return _build(
        classes, bands, size, 1, width=width, dimension=dimension, head=head, weights=weights, scratch=scratch
    )


@described
def netC(
    classes: int, bands: int = 3, size: int = 224, *, width: int = 64, dimension: int = 512, head: bool = False
) -> EmbeddingVGG:
    """NetA from scratch (figure 4). Arguments and errors as `netA`."""
    return _build(classes, bands, size, 1, width=width, dimension=dimension, head=head, weights="")


@described
def netD(
    classes: int, bands: int = 3, size: int = 224, *, width: int = 64, head: bool = False, weights: str = ""
) -> EmbeddingVGG:
    """NetA without fc6: the loss stands on pool5.3 (figure 5). Arguments and errors as `netA`."""
    return _build(classes, bands, size, 0, width=width, dimension=512, head=head, weights=weights)


@described
def netE(
    classes: int,
    bands: int = 3,
    size: int = 224,
    *,
    width: int = 64,
    dimension: int = 512,
    head: bool = False,
    weights: str = "",
) -> EmbeddingVGG:
    """NetA with fc7 on top of fc6 (figure 5). Arguments and errors as `netA`."""
    return _build(classes, bands, size, 2, width=width, dimension=dimension, head=head, weights=weights)


@described
def netF(
    classes: int,
    bands: int = 3,
    size: int = 224,
    *,
    width: int = 64,
    dimension: int = 512,
    head: bool = False,
    weights: str = "",
) -> EmbeddingVGG:
    """NetA with fc7 and fc8 on top of fc6 (figure 5). Arguments and errors as `netA`."""
    return _build(classes, bands, size, 3, width=width, dimension=dimension, head=head, weights=weights)
