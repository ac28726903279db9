"""The search of an archive: a table of hits, and a page with their pictures."""

from __future__ import annotations

import base64
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from rich.markup import escape

from spacewise import files
from spacewise.archive import open_embeddings
from spacewise.archive.index import KINDS, Recall, approximate, check_size
from spacewise.archive.queries import Picture, Queries, read_queries
from spacewise.archive.search import Hits, check_number, exact, facts_of
from spacewise.archive.stored import Embeddings
from spacewise.archive.walking import shown
from spacewise.audits.embedding import pictured
from spacewise.errors import unknown
from spacewise.progress import track
from spacewise.report import numbers, page

EXACT = "exact"
ON_PAGE, PRINTED = 40, 10  # queries
DIGITS = {"similarity": 4, "confidence": 3}
FIRST = ("query", "rank", "similarity", "row", "id")


@dataclass(frozen=True)
class Found:
    """What a search found, and where it is written.

    Attributes:
        hits: one row a hit: query, rank (from 1), similarity, row (of the archive's listing), id, then facts.
        recall: of the index; None where the search was exact.
        page: `found.html`, beside it `hits.csv`.
        queries: how many were asked.
        unreadable: name -> why, of the pictures that were passed over.
    """

    hits: pd.DataFrame
    recall: Recall | None
    page: Path
    queries: int
    unreadable: Mapping[str, str]


@dataclass(frozen=True)
class Card:
    """One picture of the page: its address or why there is none, its heading, its id, and its facts."""

    picture: str
    missing: str
    heading: str
    name: str
    facts: Sequence[str] = ()


def search(
    run: Path, query: str, folder: Path, out: Path, *, k: int = 10, space: str = "", index: str = EXACT, command: str
) -> Found:
    """Searches embeddings for what is most similar to a query, and writes `hits.csv` and `found.html`.

    Args:
        run: the run that made the embeddings.
        query: as `read_queries` takes it.
        folder: the embeddings.
        out: folder of what is written.
        k: hits of each query.
        space: the first of the embeddings' where it is not given.
        index: `exact`, `hnsw` or `ivfpq`.
        command: what made this, to print below the page.

    Raises:
        InputError: as `open_embeddings`, `read_queries`, `exact`, `approximate`; `out` cannot be written.
    """
    if index not in (EXACT, *KINDS):
        raise unknown("index", index, (EXACT, *KINDS))
    embeddings = open_embeddings(folder)
    space = space or next(iter(embeddings.spaces))
    if space not in embeddings.spaces:
        raise unknown(f"space of {folder}", space, embeddings.spaces)
    check_number(embeddings, k, len(embeddings))  # before the network runs
    if index != EXACT:
        check_size(embeddings, index, k)
    queries = read_queries(embeddings, run, query, space)
    if index == EXACT:
        found, recall = exact(embeddings, space, queries.vectors, k, own=queries.own), None
    else:
        found, recall = approximate(embeddings, space, index, queries.vectors, k, own=queries.own)
    hits = table(embeddings, queries.names, found)
    files.write_table(out / "hits.csv", hits)
    sentences = [*_sentences(embeddings, space, k, recall), *_passed(queries)]
    title, command = (shown(os.fsencode(each)) for each in (f"Nearest in {folder.name}", command))
    made = _write_page(hits, queries, out, title, sentences, command)
    return Found(hits, recall, made, len(queries.names), queries.unreadable)


def table(embeddings: Embeddings, names: Sequence[str], found: Hits) -> pd.DataFrame:
    """The hits as `Found.hits`."""
    queries, places = np.nonzero(found.indices >= 0)
    facts = facts_of(embeddings, found.indices[queries, places])
    hits = pd.DataFrame(
        {
            "query": np.array(names, dtype=object)[queries],
            "rank": places + 1,
            "similarity": found.similarity[queries, places],
        }
    )
    return pd.concat([hits, facts[[*FIRST[3:], *(name for name in facts if name not in FIRST)]]], axis=1)


def found_lines(hits: pd.DataFrame) -> list[str]:
    """The hits as lines for a terminal: of the first queries, where there are many."""
    queries = hits["query"].unique().tolist()
    lines = []
    for query, rows in _of(hits, queries[:PRINTED]).items():
        rows = rows.drop(columns=["query", "row"])
        lines += [f"[bold]{escape(_printable(query))}[/]", *map(escape, _aligned(rows))]
    more = len(queries) - PRINTED
    return [*lines, *([f"[dim]… and {more:,} more queries[/]"] if more > 0 else [])]


def _of(hits: pd.DataFrame, names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The hits of some queries, each its own, in the order of the table."""
    wanted = hits[hits["query"].isin(names)]
    return {str(name): rows for name, rows in wanted.groupby("query", sort=False)}


def _aligned(rows: pd.DataFrame) -> list[str]:
    """A table in columns, its heads first."""
    columns = [[name, *(_printable(_shown(name, value)) for value in rows[name])] for name in rows]
    wide = [max(map(len, column)) for column in columns]
    return ["  ".join(map(str.ljust, line, wide)).rstrip() for line in zip(*columns, strict=True)]


def _printable(text: str) -> str:
    """Text that a terminal shows and does not obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _shown(name: str, value: object) -> str:
    """A fact as it is printed."""
    if not isinstance(value, float):
        return "" if value is None else str(value)
    if math.isnan(value):
        return ""
    return f"{value:.{digits}f}" if (digits := DIGITS.get(name)) else f"{value:.8g}"


def _sentences(embeddings: Embeddings, space: str, k: int, recall: Recall | None) -> list[str]:
    return [
        f"The {numbers.count(k)} most similar of {numbers.count(len(embeddings))} samples, by the cosine in the "
        f"space {space}.",
        f"Found by an index: {recall}." if recall else "Exact: every sample was compared with every query.",
    ]


def _passed(queries: Queries) -> list[str]:
    """A sentence on the pictures that could not be read, where there are any."""
    passed, asked = len(queries.unreadable), len(queries.names)
    if not passed:
        return []
    return [
        f"{numbers.count(passed)} of {numbers.count(passed + asked)} pictures could not be read; they are left out."
    ]


def _write_page(
    hits: pd.DataFrame, queries: Queries, out: Path, title: str, sentences: Sequence[str], command: str
) -> Path:
    names = queries.names[:ON_PAGE]
    by_query = {name: rows.to_dict("records") for name, rows in _of(hits, names).items()}
    pairs = []
    for number, name in enumerate(track(names, "drawing the page", len(names))):
        card = Card(*_image(queries.picture(number), queries.amplitude), "query", name)
        pairs.append((card, [_card(row, queries) for row in by_query.get(name, [])]))
    left = len(queries.names) - len(names)
    context = {
        "kind": "search of an archive",
        "title": title,
        "subtitle": "",
        "sentences": sentences,
        "tiles": [],
        "shown": pairs,
        "left": numbers.count(left) if left else "",
        "command": command,
    }
    made = out / "found.html"
    files.write_text(made, page._render("found.html.jinja", **context))
    return made


def _card(row: dict[str, object], queries: Queries) -> Card:
    texts = {name: _shown(name, value) for name, value in row.items()}
    facts = [f"{name} {text}" for name, text in texts.items() if name not in FIRST and text]
    picture = _image(queries.archive_picture(int(str(row["row"]))), queries.amplitude)
    return Card(*picture, f"{texts['rank']}. {texts['similarity']}", texts["id"], facts)


def _image(picture: Picture, amplitude: str) -> tuple[str, str]:
    """A picture as the address of an image; or no address, and why."""
    if isinstance(picture, str):
        return "", picture
    looks = pictured(torch.from_numpy(picture.copy())[None], amplitude)[0].numpy()
    stream = io.BytesIO()
    Image.fromarray(looks[..., 0] if looks.shape[2] == 1 else looks).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii"), ""
