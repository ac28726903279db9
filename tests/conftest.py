"""What all tests share: an own cache, one thread, tiny pictures, a tiny network, two processes."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image
from tests.forked import run_forked
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from spacewise import cli
from spacewise.nets.chain import Chain, Spaces, classify
from spacewise.sources import Source, folder

# how long an example takes says nothing on a busy machine; the same examples every time
settings.register_profile("spacewise", deadline=None, derandomize=True)
settings.load_profile("spacewise")

CLASSES = ("checks", "dots", "stripes")
PICTURES = 12  # a class
SIDE = 24
ROOT = Path(__file__).parents[1]
Command = Callable[..., tuple[int, str, str]]  # words -> exit code, standard output, standard error
FIRST = (  # the files that take longest, so that at the end no process waits long for another
    "grid/test_cluster.py",
    "grid/test_local.py",
    "test_cli.py",
    "test_recipes.py",
    "measures/test_planes.py",
    "learn/test_processes.py",
    "report/test_figures.py",
    "report/test_views.py",
    "report/test_page.py",
    "report/test_layers.py",
    "test_recipes_on.py",
    "test_docs.py",
    "test_benchmarks.py",
    "report/test_transfer.py",
    "learn/test_killed.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {str(ROOT / "tests" / name): place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(str(item.path), len(FIRST)))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Of torch and of numpy, here and in the processes that tests start: others are busy with other tests."""
    torch.set_num_threads(1)
    with threadpool_limits(1), pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Places of caches, one after the other; nothing is made that no test needs."""
    root = tmp_path_factory.mktemp("caches")
    return (root / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_cache(caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, another for each test."""
    place = next(caches)
    monkeypatch.setenv("SPACEWISE_CACHE", str(place))
    return place


@pytest.fixture
def no_png(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saves the time of drawing what the test does not look at."""
    from spacewise.report import drawing

    monkeypatch.setattr(drawing, "png", lambda figure: b"")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real data sets."""
    place = os.environ.get("SPACEWISE_DATA")
    if not place:
        pytest.skip("SPACEWISE_DATA is unset: it names the folder that holds mstar/, ucm/, aid/ …")
    return Path(place)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three classes of twelve grey PNG files."""
    root = tmp_path_factory.mktemp("pictures")
    for number, name in enumerate(CLASSES):
        (root / name).mkdir()
        for index in range(PICTURES):
            Image.fromarray(_picture(name, 100 * number + index)).save(root / name / f"{name}{index:02d}.png")
    return root


@pytest.fixture(scope="session")
def chips(pictures: Path) -> Source:
    """The pictures as a source."""
    return folder(pictures)


def _picture(name: str, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    rows, columns = np.indices((SIDE, SIDE)) + generator.integers(0, 8, (2, 1, 1))
    patterns = {
        "checks": (rows // 4 + columns // 4) % 2,
        "dots": (rows % 8 < 2) & (columns % 8 < 2),
        "stripes": rows // 4 % 2,
    }
    return (60 + 120 * patterns[name] + generator.integers(0, 40, (SIDE, SIDE))).astype(np.uint8)


class TinyChain(Chain):
    """One convolution with all that training can trip over: batch normalisation and dropout."""

    spaces = ("maps", "feature", "classifier", "probability")

    def __init__(self, classes: int, bands: int, size: int) -> None:
        super().__init__(bands, size)
        self.convolution = nn.Conv2d(bands, 8, 3, padding=1)
        self.normalisation = nn.BatchNorm2d(8)
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.drop = nn.Dropout(0.2)
        self.embed = nn.Linear(8 * 4 * 4, 16)
        self.head = nn.Linear(16, classes)

    def represent(self, images: Tensor) -> Spaces:
        spaces: Spaces = {"maps": self.pool(self.normalisation(self.convolution(images)).relu())}
        return spaces | classify(self.embed(self.drop(spaces["maps"].flatten(1))).relu(), self.head)


@pytest.fixture(scope="session")
def tiny_chain() -> Callable[..., Chain]:
    """Builds a small network of which the weights follow from the seed alone."""

    def build(seed: int = 0, classes: int = len(CLASSES), bands: int = 1, size: int = 16) -> Chain:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return TinyChain(classes, bands, size)

    return build


@pytest.fixture
def two_processes() -> Callable[..., None]:
    """Runs a script in two processes of one group."""
    return run_forked


@pytest.fixture
def spacewise(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Calls the command line; returns exit code, standard output, standard error."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["spacewise", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        shown = capsys.readouterr()
        return int(exit_.value.code or 0), shown.out, shown.err

    return call
