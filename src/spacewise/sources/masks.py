"""Masks that tell an object's pixels from its surroundings, beside the images of a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spacewise.errors import InputError
from spacewise.sources import images
from spacewise.sources.source import Source

REGIONS = ("clutter", "target", "shadow")  # a mask's value is the place in this list

Key = tuple[str, str]  # class and name of the image


@dataclass(frozen=True)
class Masks:
    """The masks of a source's samples. Decoded when asked for.

    Attributes:
        files: index of the sample in the source -> file of its mask.
        strays: masks in the folder that belong to no sample, as paths below it.
    """

    source: Source
    files: Mapping[int, Path]
    strays: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.files)

    @property
    def rows(self) -> np.ndarray:
        """(masked sample,) indices into the source, ascending."""
        return np.array(sorted(self.files), np.int64)

    def read(self, index: int) -> np.ndarray:
        """The mask of sample `index` of the source: (height, width) uint8 of places in `REGIONS`, at native size.

        Raises:
            InputError: the sample has no mask, or it cannot be read, has other values, or is not of its
                image's size.
        """
        if index not in self.files:
            name = self.source.facts["id"].iat[index] if 0 <= index < len(self.source) else index
            raise InputError(f"no mask for sample {name} of {self.source.root or self.source.name}")
        file = self.files[index]
        mask = images.decode(file)
        if len(mask) != 1 or mask.dtype != np.uint8:
            raise InputError(f"{file}: has {len(mask)} bands of {mask.dtype}, expected an 8-bit grey mask")
        if mask.max() >= len(REGIONS):
            known = ", ".join(f"{value} {name}" for value, name in enumerate(REGIONS))
            raise InputError(f"{file}: holds the value {mask.max()}, expected {known}")
        _check_size(file, mask[0], self.source.read(index))
        return mask[0]


def masks(source: Source, folder: str | Path) -> Masks:
    """The masks in `folder` for samples of `source`, in the form of SARBake's for MSTAR.

    Layout: `CLASS/NAME.png` anywhere below `folder`. A mask belongs to the sample of that class, letters and
    digits alone compared (`BTR_60` is BTR60), whose file has that name: `HB14931.003.png` to
    `HB14931.003.jpeg` or to the Phoenix file `HB14931.003`. Among MSTAR's targets at 17 and 15 degrees, class
    and name occur once: no serial or depression angle is needed.

    Source: SARBake, https://data.mendeley.com/datasets/jxhsg8tj7g.

    Raises:
        InputError: no such folder, no mask of any sample in it, two masks of one sample, or a mask that
            two samples could own.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"masks: {folder} is no folder, expected one with CLASS/NAME.png")
    samples = _samples(source)
    found: dict[Key, Path] = {}
    strays: list[str] = []
    for file in sorted(folder.rglob("*.png")):
        if file.name.startswith("."):  # the Mac's archives keep notes in ._NAME.png
            continue
        key = _key(file.parent.name, file.name)
        if key not in samples:
            strays.append(file.relative_to(folder).as_posix())
        elif key in found:
            raise InputError(f"masks: {found[key]} and {file} are masks of one sample, expected one")
        else:
            found[key] = file
    if not found:
        held = f"none of its {len(strays)} PNG files has class and name of a sample" if strays else "it holds no PNG"
        raise InputError(
            f"masks: no mask of {source.root or source.name} in {folder}: {held}, such as {_example(source)}"
        )
    return Masks(source, _owned(source, samples, found), tuple(strays))


def fitted(mask: np.ndarray, size: int, how: str = "crop") -> np.ndarray:
    """A mask (height, width) at size x size, as `cache.decoded` brings the images of its source there.

    Args:
        how: `"crop"`: the centre, with mirrored edges where it is too small; `"resize"`: the nearest pixel, since
            there is nothing between two regions.
    """
    if how == "resize":
        rows, columns = ((np.arange(size) + 0.5) * length // size for length in mask.shape)
        return mask[rows.astype(int)][:, columns.astype(int)]
    from spacewise.cache import fit  # not above: it brings in torch, which listing and splitting a source do without

    return fit(mask[None], size, "crop")[0]


def _samples(source: Source) -> dict[Key, list[int]]:
    """Samples by what a mask can tell of them."""
    samples: dict[Key, list[int]] = {}
    for index, (label, name) in enumerate(zip(source.facts["label"], source.facts["id"])):
        samples.setdefault(_key(str(label), str(name)), []).append(index)
    return samples


def _key(label: str, name: str) -> Key:
    file = Path(name)
    return _letters(label), (file.stem if file.suffix.lower() in images.DECODERS else file.name).upper()


def _letters(text: str) -> str:
    return "".join(letter for letter in text.upper() if letter.isalnum())


def _owned(source: Source, samples: Mapping[Key, list[int]], found: Mapping[Key, Path]) -> dict[int, Path]:
    for key, file in found.items():
        if len(samples[key]) > 1:
            one, other = (source.facts["id"].iat[index] for index in samples[key][:2])
            raise InputError(f"masks: {file} could be of {one} or of {other}, expected class and name of one sample")
    return {samples[key][0]: file for key, file in found.items()}


def _example(source: Source) -> str:
    label, name = (str(source.facts[fact].iat[0]) for fact in ("label", "id"))
    return f"{label}/{_key(label, name)[1]}.png"


def _check_size(file: Path, mask: np.ndarray, image: np.ndarray) -> None:
    (height, width), (rows, columns) = mask.shape, image.shape[1:]
    if (height, width) != (rows, columns):
        raise InputError(
            f"{file}: is {height} x {width} pixels where its image is {rows} x {columns}, expected the same"
        )
