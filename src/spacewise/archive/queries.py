"""What is searched for: pictures, brought into the space of an archive by its network, or samples of the archive."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from spacewise import runs
from spacewise.archive import stored
from spacewise.archive.facts import check_facts
from spacewise.archive.listing import open_listing
from spacewise.archive.recognising import open_archive
from spacewise.archive.stored import Embeddings, read_part
from spacewise.archive.taking import BATCH, Takes, taken
from spacewise.archive.walking import files_below, shown
from spacewise.errors import InputError
from spacewise.learn.embed import embed
from spacewise.progress import track
from spacewise.sources import images

SAMPLE = "id:"  # begins a query that is a sample of the archive
EMBEDDED = ("run", "weights", "digest", "data", "kind", "listing", "size", "fit", "amplitude", "precision")
CANDIDATES = 5000  # ids among which the nearest to a mistyped one is looked for

Picture = np.ndarray | str
"""An image (band, size, size) as the network takes it, or why there is none, in one line."""


@dataclass(frozen=True)
class Queries:
    """What is searched for.

    Attributes:
        names: (query,) as the user knows them; each once.
        vectors: (query, dimension) float32 in the space that is searched.
        own: (query,) index among the samples of the archive, -1 for a picture of the user's.
        picture: gives the picture of a query, by its number.
        archive_picture: gives the picture of a sample, by its row of the listing.
        amplitude: what the pixels are: `intensity` or `magnitude`.
        unreadable: name -> why, of the pictures of a folder that are passed over.
    """

    names: Sequence[str]
    vectors: np.ndarray
    own: np.ndarray
    picture: Callable[[int], Picture]
    archive_picture: Callable[[int], Picture]
    amplitude: str
    unreadable: Mapping[str, str] = field(default_factory=dict)


def read_queries(embeddings: Embeddings, run: Path, query: str, space: str) -> Queries:
    """Embeds pictures as the archive was embedded, or looks up one of its samples.

    Args:
        run: the folder of the run that made the embeddings; its data may be gone.
        query: a picture, a folder of pictures of any depth, or `id:` and the id of a sample.

    Raises:
        InputError: another run, nothing at that place, no picture that can be read and has the bands that the
            network takes, an id that no sample has, embeddings that do not say how they were made.
    """
    check_facts(embeddings.facts, embeddings.folder, EMBEDDED)
    check_run(embeddings, run)
    net, _ = runs.open_net(run, weights=str(embeddings.facts["weights"]))
    amplitude = str(embeddings.facts["amplitude"])
    takes = Takes(net.bands, int(embeddings.facts["size"]), str(embeddings.facts["fit"]))
    pictures = archive_pictures(embeddings, run, takes)
    if query.startswith(SAMPLE):
        name = shown(os.fsencode(query))
        index, row = sample(embeddings, name.removeprefix(SAMPLE))
        vectors = embeddings.take(space, [index])
        return Queries([name], vectors, np.array([index]), lambda number: pictures(row), pictures, amplitude)
    paths, unreadable = _paths(query), dict[str, str]()
    batches = track(_batches(query, paths, takes, unreadable), "embedding the queries", -(-len(paths) // BATCH))
    net = net.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    vectors = embed(net, batches, [space], precision=str(embeddings.facts["precision"]))[space]
    names = [name for name in paths if name not in unreadable]
    own = np.full(len(names), -1)
    return Queries(
        names, vectors, own, lambda number: _picture(paths[names[number]], takes), pictures, amplitude, unreadable
    )


def check_run(embeddings: Embeddings, run: Path) -> None:
    """Raises `InputError` where a run's weights are not those that made the embeddings."""
    facts = embeddings.facts
    path = runs.weights_file(run, runs.read_experiment(run), str(facts["weights"]))
    if (digest := runs.file_digest(path)) != facts["digest"]:
        raise InputError(
            f"{run} did not make {embeddings.folder}: its {facts['weights']} weights are {digest}, those of the "
            f"embeddings {facts['digest']}, of the run {facts['run']}"
        )


def sample(embeddings: Embeddings, name: str) -> tuple[int, int]:
    """Index among the samples, and row of the listing, of the sample of that id; `InputError` where there is none."""
    first, others = 0, []
    step = -(-len(embeddings) // CANDIDATES)
    for number, length in enumerate(embeddings.lengths):
        table = read_part(embeddings.folder, number, ["id", "row"])
        place = pc.index(table["id"], pa.scalar(name, table["id"].type)).as_py()
        if place >= 0:
            return first + place, table["row"][place].as_py()
        others += table["id"].take(np.arange(-first % step, length, step)).to_pylist()
        first += length
    near = difflib.get_close_matches(name, others, n=1, cutoff=0.3)
    meant = f"did you mean '{near[0]}'?" if near else f"ids are such as '{others[0]}'"
    raise InputError(f"{embeddings.folder} holds no sample '{name}': {meant}")


def archive_pictures(embeddings: Embeddings, run: Path, takes: Takes) -> Callable[[int], Picture]:
    """Gives the picture of a sample by its row of the listing, from where the archive lay when it was embedded."""
    facts, experiment = embeddings.facts, runs.read_experiment(run)
    source = (experiment.target or experiment.data).source
    try:
        listing = open_listing(embeddings.folder / stored.LISTING)
        if listing.digest != facts["listing"]:
            raise InputError(f"{listing.path} is not the listing that was embedded")
        if facts["kind"] == "scenes":
            check_facts(facts, embeddings.folder, ["stride"])
        stride = int(facts["stride"]) if facts["kind"] == "scenes" else None
        like = {"name": source.name, **source.options}
        archive = open_archive(str(facts["data"]), takes, stride=stride, like=like, kind=str(facts["kind"]))
    except (InputError, OSError) as error:
        why = f"no picture: {error}"
        return lambda row: why
    shard = lru_cache(maxsize=8)(listing.shard)

    def picture(row: int) -> Picture:
        number, place = divmod(row, listing.length(0))
        try:
            image = archive.one(shard(number), place)
        except (InputError, OSError) as error:
            return f"no picture: {' '.join(str(error).split())}"
        return "no picture: no data" if image is None else image

    return picture


def _paths(query: str) -> dict[str, Path]:
    """Names and files of the pictures at a place."""
    place = Path(query)
    if place.is_dir():
        found = list(files_below(place, images.DECODERS))
        if not found:
            raise InputError(f"{query} holds no pictures, expected files {', '.join(images.DECODERS)}")
        paths = {shown(each): place / os.fsdecode(each) for each in found}
        if len(paths) < len(found):
            raise InputError(f"{query} holds names that are not UTF-8 and read like others; rename them")
        return paths
    if not place.exists():
        raise InputError(
            f"query {query} does not exist, expected a picture, a folder of pictures, or '{SAMPLE}' and the id of a "
            "sample of the archive"
        )
    return {shown(os.fsencode(query)): place}


def _batches(query: str, paths: Mapping[str, Path], takes: Takes, unreadable: dict[str, str]) -> Iterator[Tensor]:
    """Those that can be read; the names of the others, and why, are put among the unreadable."""
    names = list(paths)
    for first in range(0, len(names), BATCH):
        found = {name: _tried(paths[name], takes) for name in names[first : first + BATCH]}
        unreadable |= {name: why for name, why in found.items() if isinstance(why, str)}
        there = [each for each in found.values() if isinstance(each, np.ndarray)]
        if there:
            yield torch.from_numpy(np.stack(there))
    if len(unreadable) == len(names):
        why = next(iter(unreadable.values()))
        raise InputError(
            why if len(names) == 1 else f"none of the {len(names):,} pictures of {query} can be read; {why}"
        )


def _tried(path: Path, takes: Takes) -> Picture:
    try:
        return taken(images.decode(path), takes, str(path))
    except (InputError, OSError) as error:
        return " ".join(str(error).split())


def _picture(path: Path, takes: Takes) -> Picture:
    found = _tried(path, takes)
    return f"no picture: {found}" if isinstance(found, str) else found
