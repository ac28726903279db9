"""Write tiny sets in the true layouts of CIFAR-10, CIFAR-100, SVHN, Tiny ImageNet and SARBake's masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat
from tests.sources.retrieval_files import write_lines, write_picture

CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
COARSE = ("aquatic_mammals", "fish", "flowers")
FINE = ("apple", "aquarium_fish", "baby", "dolphin")
FINE_RECORDS = {"train": ((2, 0), (1, 1), (1, 1), (0, 3), (2, 0)), "test": ((1, 1), (2, 0))}  # (coarse, fine)
DIGITS = {"train": (1, 10, 9, 1, 10, 9), "test": (10, 1, 9)}

WNIDS = ("n02012849", "n01443537", "n03126707")
WORDS = {
    "n00001740": "entity",
    "n01443537": "goldfish, Carassius auratus",
    "n02012849": "crane",
    "n03126707": "crane",
}
VALIDATED = ("n01443537", "n02012849", "n02012849", "n03126707")


def cifar_pixels(count: int, seed: int) -> np.ndarray:
    """Random pictures (picture, band, row, column)."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32), np.uint8)


def write_records(path: Path, labels: Sequence[Sequence[int]], seed: int = 0) -> Path:
    """Records of CIFAR's binary form: the labels, then the planes of red, green and blue, row after row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = cifar_pixels(len(labels), seed)
    path.write_bytes(b"".join(bytes(row) + picture.tobytes() for row, picture in zip(labels, pixels)))
    return path


def write_cifar10(root: Path) -> Path:
    """Five batches and a test batch of four records; the classes of batch b are 2b to 2b + 3, modulo ten."""
    for batch in range(1, 7):
        name = f"data_batch_{batch}.bin" if batch < 6 else "test_batch.bin"
        write_records(root / name, [[(2 * batch + number) % 10] for number in range(4)], seed=batch)
    # the published list ends in an empty line
    (root / "batches.meta.txt").write_text("\n".join(CIFAR10_NAMES) + "\n\n", encoding="utf-8")
    (root / "readme.html").write_text("<html></html>", encoding="utf-8")
    return root


def write_cifar100(root: Path) -> Path:
    """`train.bin` (seed 0), `test.bin` (seed 1) and the two lists of names."""
    for seed, (side, records) in enumerate(FINE_RECORDS.items()):
        write_records(root / f"{side}.bin", records, seed)
    write_lines(root / "coarse_label_names.txt", [[name] for name in COARSE])
    write_lines(root / "fine_label_names.txt", [[name] for name in FINE])
    return root


def write_svhn(root: Path, digits: Mapping[str, Sequence[int]] | None = None) -> Path:
    """`train_32x32.mat` and so on: X (row, column, band, sample), y (sample, 1), compressed as the set's are."""
    root.mkdir(parents=True, exist_ok=True)
    for side, numbers in (digits or DIGITS).items():
        variables = {"X": svhn_pixels(len(numbers)), "y": np.array(numbers, np.uint8)[:, None]}
        savemat(root / f"{side}_32x32.mat", variables, do_compression=True)
    return root


def svhn_pixels(count: int) -> np.ndarray:
    """Random pictures (row, column, band, picture)."""
    return np.random.default_rng(count).integers(0, 256, (32, 32, 3, count), np.uint8)


def write_tiny_imagenet(root: Path) -> Path:
    """Three classes of two pictures, the second grey, four validation pictures and one without a label."""
    for place, wnid in enumerate(WNIDS):
        for number in range(2):
            path = root / f"train/{wnid}/images/{wnid}_{number}.JPEG"
            write_picture(path, grey=number == 1, size=(64, 64), seed=2 * place + number)
        write_lines(root / f"train/{wnid}/{wnid}_boxes.txt", [(f"{wnid}_0.JPEG", 0, 10, 63, 58)])
    for number in range(len(VALIDATED)):
        write_picture(root / f"val/images/val_{number}.JPEG", size=(64, 64), seed=10 + number)
    write_picture(root / "test/images/test_0.JPEG", size=(64, 64))
    rows = (f"val_{number}.JPEG\t{wnid}\t0\t32\t44\t62\n" for number, wnid in enumerate(VALIDATED))
    (root / "val/val_annotations.txt").write_text("".join(rows), encoding="utf-8")
    write_lines(root / "wnids.txt", [[wnid] for wnid in WNIDS])
    (root / "words.txt").write_text("".join(f"{wnid}\t{words}\n" for wnid, words in WORDS.items()), encoding="utf-8")
    return root


def write_mask(path: Path, mask: np.ndarray) -> Path:
    """A grey PNG whose pixels are the numbers of regions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8)).save(path, format="PNG")
    return path
