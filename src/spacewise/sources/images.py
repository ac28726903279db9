"""One picture file as an array (band, height, width)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from spacewise.errors import InputError

# Modes that Pillow holds without loss as they are; the rest is converted, see CONVERTED.
KEPT_MODES = ("L", "RGB", "I;16", "I;16B", "I;16L", "I", "F")
CONVERTED = {"1": "L", "LA": "L", "P": "RGB", "PA": "RGB", "RGBA": "RGB", "CMYK": "RGB"}


def decode(path: str | Path) -> np.ndarray:
    """Decode one PNG, JPEG, BMP, TIFF or NPY file.

    Pixels come as they are stored: no scaling, no turning by EXIF orientation. A palette becomes
    RGB and the alpha channel of a picture is dropped; all bands of a TIFF are kept, since the fourth
    is often near infrared, and of several images in it the first is read. In a 3-D TIFF or NPY the
    smallest axis is the band axis and has to be the first or the last, unless the TIFF itself names
    its band axis (interleaved or planar samples).

    Returns:
        Array (band, height, width): integers or floats in native byte order.

    Raises:
        InputError: the file is missing, truncated or not of the format that its name says; has an
            unknown extension, complex, boolean or object values, non-finite pixels, or a shape
            whose band axis cannot be told.
    """
    path = Path(path)
    decoder = DECODERS.get(path.suffix.lower())
    if decoder is None:
        raise InputError(f"{path}: cannot read '{path.suffix}', expected one of {', '.join(DECODERS)}")
    try:
        image = decoder(path)
    except InputError:
        raise
    except Exception as error:  # decoders raise anything from SyntaxError to struct.error on broken bytes
        raise InputError(f"cannot read {path}: {_one_line(error)}") from error
    return _checked(path, image)


def rgb(path: str | Path) -> np.ndarray:
    """Decode one 8-bit picture as RGB (3, height, width), uint8; a grey one has three equal bands.

    Raises:
        InputError: as `decode`; also for other than 8 bits, and other than one or three bands.
    """
    image = decode(path)
    if image.dtype != np.uint8 or len(image) not in (1, 3):
        raise InputError(f"{path}: has {len(image)} bands of {image.dtype}, expected 8-bit grey or RGB")
    return image if len(image) == 3 else np.repeat(image, 3, axis=0)


def _one_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


def _checked(path: Path, image: np.ndarray) -> np.ndarray:
    """The image in native byte order, after refusing what no network can be fed."""
    if image.dtype.kind not in "uif":
        raise InputError(f"{path}: holds {image.dtype} values, expected real integers or floats")
    if image.size == 0:
        raise InputError(f"{path}: holds no pixels, its shape is {image.shape}")
    bad = image.size - int(np.isfinite(image).sum()) if image.dtype.kind == "f" else 0
    if bad:
        raise InputError(f"{path}: {bad} of {image.size} values are not finite (NaN or infinite)")
    return np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("="))


def _picture(path: Path) -> np.ndarray:
    """PNG, JPEG or BMP through Pillow, which raises where the file is cut off."""
    with Image.open(path) as picture:
        if picture.format == "PNG":
            _refuse_deep_colour(path)
        mode = picture.mode
        if mode not in KEPT_MODES and mode not in CONVERTED:
            raise InputError(f"{path}: has colour mode {mode}, expected grey, RGB, CMYK or a palette")
        pixels = np.asarray(picture.convert(CONVERTED[mode]) if mode in CONVERTED else picture)
    if mode == "I":  # how older releases of Pillow hold 16-bit grey
        pixels = pixels.astype(np.uint16)
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)


def _refuse_deep_colour(path: Path) -> None:
    """Pillow cuts 16-bit colour PNGs down to 8 bits without saying so: refuse them."""
    with open(path, "rb") as file:
        header = file.read(26)  # signature 8, length 4, "IHDR" 4, width 4, height 4, depth 1, colour type 1
    grey_or_palette = (0, 3)
    if len(header) == 26 and header[24] == 16 and header[25] not in grey_or_palette:
        raise InputError(f"{path}: is a 16-bit PNG with colour or alpha, expected 8 bits, or TIFF for 16")


def _tiff(path: Path) -> np.ndarray:
    """The first image of a TIFF; samples are the bands, else pages, else the smallest axis."""
    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        page = series.keyframe
        pixels, axes = series.asarray(), series.axes
        if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
            return (page.colormap[:, pixels] >> 8).astype(np.uint8)
    named = [index for index, axis in enumerate(axes) if axis in "SC"]
    if pixels.ndim == 3 and len(named) == 1:
        return np.moveaxis(pixels, named[0], 0)
    return _bands_first(path, pixels)


def _npy(path: Path) -> np.ndarray:
    array = np.load(path, allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: is an archive of arrays, expected one array")
    return _bands_first(path, array)


def _bands_first(path: Path, pixels: np.ndarray) -> np.ndarray:
    """Put the smallest axis of a 3-D array first; a 2-D array becomes one band."""
    if pixels.ndim == 2:
        return pixels[None]
    expected = "expected (height, width), (band, height, width) or (height, width, band)"
    if pixels.ndim != 3:
        raise InputError(f"{path}: has the shape {pixels.shape}, {expected}")
    first, middle, last = pixels.shape
    if first < min(middle, last):
        return pixels
    if last < min(first, middle):
        return np.moveaxis(pixels, 2, 0)
    raise InputError(f"{path}: {pixels.shape} does not tell which axis holds the bands, {expected}, bands fewest")


DECODERS: dict[str, Callable[[Path], np.ndarray]] = {
    ".png": _picture,
    ".jpg": _picture,
    ".jpeg": _picture,
    ".bmp": _picture,
    ".tif": _tiff,
    ".tiff": _tiff,
    ".npy": _npy,
}
