"""Embedding an archive: the same vectors as of an audit, shard by shard, and what goes wrong on the way."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.archive.fresh_runs import SIZE, fresh_run
from tests.conftest import Command

from spacewise import files
from spacewise.archive import embed_archive, embedding, open_embeddings, stored, taking
from spacewise.archive.ahead import Behind, ahead
from spacewise.cache import decoded
from spacewise.errors import InputError
from spacewise.learn.embed import embed
from spacewise.sources import folder

SHARD = 8


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "SHARD", SHARD)
    for module in (taking, embedding):
        if hasattr(module, "BATCH"):
            monkeypatch.setattr(module, "BATCH", 3)


@pytest.fixture
def run(tmp_path: Path, pictures: Path) -> Path:
    fresh_run(tmp_path / "run", folder(pictures))
    return tmp_path / "run"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "embeddings.parquet"


def whole(out: Path, space: str = "feature") -> np.ndarray:
    return np.concatenate([block.values for block in open_embeddings(out).blocks(space)])


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("part-*")}


def ages(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}


def expected(run: Path, pictures: Path, ids: list[str], spaces: list[str]) -> dict[str, np.ndarray]:
    """By `learn.embed` on the images of the cache, in the order of the ids."""
    from spacewise.runs import open_net

    source = folder(pictures)
    rows = [source.facts["id"].tolist().index(name) for name in ids]
    net, _ = open_net(run)
    return embed(net, [decoded(source, SIZE).images[rows]], spaces)


def test_the_vectors_are_those_of_an_audit(run: Path, pictures: Path, out: Path) -> None:
    facts = embed_archive(run, pictures, out, spaces=["feature", "block3:max"])
    made = open_embeddings(out)
    assert len(made) == facts["samples"] == 36
    assert made.spaces == {"feature": 8, "block3:max": 64}
    table = made.table(["row", "id", "prediction", "confidence"])
    assert table["row"].tolist() == list(range(36))
    truth = expected(run, pictures, table["id"].tolist(), ["feature", "block3:max", "classifier", "probability"])
    np.testing.assert_allclose(whole(out), truth["feature"], atol=1e-5)
    np.testing.assert_allclose(whole(out, "block3:max"), truth["block3:max"], atol=1e-5)
    names = np.array(facts["classes"])[truth["classifier"].argmax(1)]
    assert table["prediction"].tolist() == names.tolist()
    np.testing.assert_allclose(table["confidence"], truth["probability"].max(1), atol=1e-5)


def test_any_reader_of_parquet_reads_it(run: Path, pictures: Path, out: Path) -> None:
    embed_archive(run, pictures, out)
    table = pd.read_parquet(out)
    assert len(table) == 36
    np.testing.assert_array_equal(np.stack(table["feature"]), whole(out))


def test_facts_say_what_made_them(run: Path, pictures: Path, out: Path) -> None:
    embed_archive(run, pictures, out)
    facts = files.read_json(out / stored.FACTS)
    assert facts["run"] == str(run)
    assert facts["data"] == str(pictures)
    assert facts["command"] == f"spacewise embed {run} {pictures} --out {out}"
    assert (facts["kind"], facts["size"], facts["fit"], facts["amplitude"]) == ("pictures", SIZE, "resize", "intensity")
    assert (facts["samples"], facts["listed"], facts["shards"], facts["unreadable"]) == (36, 36, 5, 0)
    assert facts["classes"] == ["checks", "dots", "stripes"]
    assert "stride" not in facts


def test_the_data_of_the_run_may_be_gone(tmp_path: Path, pictures: Path, out: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(pictures, data)
    fresh_run(tmp_path / "run", folder(data))
    data.rename(tmp_path / "elsewhere")
    embed_archive(tmp_path / "run", tmp_path / "elsewhere", out)
    assert len(open_embeddings(out)) == 36


def test_a_run_without_its_way_to_size(run: Path, pictures: Path, out: Path) -> None:
    facts = files.read_json(run / "run.json")
    files.write_json(run / "run.json", {key: value for key, value in facts.items() if key != "fit"})
    assert embed_archive(run, pictures, out)["fit"] == "resize"


def test_what_is_done_is_not_done_again(run: Path, pictures: Path, out: Path) -> None:
    first = embed_archive(run, pictures, out)
    before = ages(out)
    assert embed_archive(run, pictures, out) == first
    assert ages(out) == before


def test_interrupted_it_goes_on(run: Path, pictures: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embed_archive(run, pictures, out)
    truth = contents(out)
    other = out.with_name("other")
    write = stored.write_part

    def stops(folder: Path, number: int, *more: Any) -> None:
        if number == 2:
            raise KeyboardInterrupt
        write(folder, number, *more)

    monkeypatch.setattr(stored, "write_part", stops)
    with pytest.raises(KeyboardInterrupt):
        embed_archive(run, pictures, other)
    assert sorted(contents(other)) == ["part-00000.parquet", "part-00001.parquet"]
    assert "samples" not in files.read_json(other / stored.FACTS)
    before = ages(other)
    monkeypatch.setattr(stored, "write_part", write)
    embed_archive(run, pictures, other)
    assert {name: age for name, age in ages(other).items() if name in before} == before
    np.testing.assert_array_equal(whole(other), whole(out))
    assert truth.keys() == contents(other).keys()


def test_lost_and_damaged_shards_are_made_anew(run: Path, pictures: Path, out: Path) -> None:
    embed_archive(run, pictures, out)
    truth, before = whole(out), ages(out)
    stored.part(out, 0).unlink()
    cut = stored.part(out, 1)
    cut.write_bytes(cut.read_bytes()[:-100])
    flipped = stored.part(out, 3)
    data = bytearray(flipped.read_bytes())
    place = bytes(data).index(truth[24].tobytes())
    data[place] ^= 1
    flipped.write_bytes(data)
    with pytest.raises(InputError, match=r"2 of 5 shards are missing, damaged .* spacewise embed"):
        open_embeddings(out)
    embed_archive(run, pictures, out)
    np.testing.assert_array_equal(whole(out), truth)
    after = ages(out)
    assert {name for name in after if after[name] == before[name]} == {"part-00002.parquet", "part-00004.parquet"}


def test_no_flipped_byte_is_taken_for_another_value(run: Path, pictures: Path, out: Path) -> None:
    embed_archive(run, pictures, out)
    truth, table = whole(out), open_embeddings(out).table(["row", "id", "prediction", "confidence"])
    path = stored.part(out, 2)
    clean = path.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(clean), 150):
        data = bytearray(clean)
        data[place] ^= 0x10
        path.write_bytes(data)
        if not stored.sound(out, 2):
            continue
        try:
            made = open_embeddings(out)
            values = np.concatenate([block.values for block in made.blocks("feature")])
            same = made.table(list(table.columns))
        except (InputError, KeyError, ValueError):
            continue  # noticed
        np.testing.assert_array_equal(values, truth)
        pd.testing.assert_frame_equal(same, table)


def test_a_shard_of_another_making_is_made_anew(run: Path, pictures: Path, out: Path) -> None:
    embed_archive(run, pictures, out)
    truth = whole(out)
    shutil.copy(stored.part(out, 0), stored.part(out, 1))
    embed_archive(run, pictures, out)
    np.testing.assert_array_equal(whole(out), truth)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"spaces": ["classifier"]}, "spaces"),
        ({"stride": 4}, "stride"),
        ({"data": "elsewhere"}, "data"),
        ({"run": "another"}, "run"),
        ({"weights": "last"}, "weights"),
    ],
)
def test_other_embeddings_are_refused(
    run: Path, pictures: Path, out: Path, tmp_path: Path, change: dict[str, Any], key: str
) -> None:
    embed_archive(run, pictures, out)
    before = contents(out)
    shutil.copytree(run, tmp_path / "another")
    shutil.copytree(pictures, tmp_path / "elsewhere")
    shutil.copy(run / "weights" / "best.safetensors", run / "weights" / "last.safetensors")
    asked = {"run": run, "data": pictures} | change
    asked |= {name: tmp_path / str(asked[name]) for name in ("run", "data") if name in change}
    with pytest.raises(InputError, match=rf"something else: {key} was .* and is now .*another --out"):
        embed_archive(out=out, **asked)
    assert contents(out) == before


def test_other_weights_of_the_same_name_are_refused(run: Path, pictures: Path, out: Path, tmp_path: Path) -> None:
    embed_archive(run, pictures, out)
    fresh_run(tmp_path / "second", folder(pictures), seed=1)
    shutil.copy(tmp_path / "second" / "weights" / "best.safetensors", run / "weights" / "best.safetensors")
    with pytest.raises(InputError, match="digest was"):
        embed_archive(run, pictures, out)


def test_a_lost_listing_is_made_anew_and_must_be_the_same(run: Path, pictures: Path, out: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(pictures, data)
    embed_archive(run, data, out)
    (out / stored.LISTING).unlink()
    embed_archive(run, data, out)
    (out / stored.LISTING).unlink()
    (data / "dots" / "dots00.png").unlink()
    for _ in range(2):  # nothing wrong is left behind
        with pytest.raises(InputError, match="listing was"):
            embed_archive(run, data, out)
        assert not (out / stored.LISTING).exists()


def test_facts_of_something_else(run: Path, pictures: Path, out: Path, spacewise: Command) -> None:
    embed_archive(run, pictures, out)
    files.write_json(out / stored.FACTS, {})
    for words in (["embed", run, pictures, "--out", out], ["search", run, "id:a", "--in", out]):
        code, _, said = spacewise(*words)
        assert code == 2
        assert "as spacewise embed writes it" in said


def test_what_is_not_complete_is_not_opened(run: Path, pictures: Path, out: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(pictures, data)
    embed_archive(run, data, out)
    facts = files.read_json(out / stored.FACTS)
    files.write_json(out / stored.FACTS, facts | {"samples": 35})
    with pytest.raises(InputError, match=rf"not complete: 5 of 5 .* goes on with it: spacewise embed .* --out {out}$"):
        open_embeddings(out)
    files.write_json(out / stored.FACTS, facts | {"digest": "0" * 16})
    with pytest.raises(InputError, match="5 of 5 shards are missing, damaged or of another making"):
        open_embeddings(out)
    files.write_json(out / stored.FACTS, {key: value for key, value in facts.items() if key != "samples"})
    for path in [*out.glob("part-*"), *data.glob("*/*.png")]:
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"none of the 36 images of .* could be read; .*checks00\.png"):
        embed_archive(run, data, out)
    with pytest.raises(InputError, match="is not complete: 5 of 5 shards are done"):
        open_embeddings(out)


def test_what_can_be_read_again_is_no_longer_listed(run: Path, pictures: Path, out: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(pictures, data)
    broken = data / "dots" / "dots05.png"
    broken.write_bytes(b"")
    embed_archive(run, data, out)
    assert (out / "_unreadable.csv").is_file()
    shutil.copy(pictures / "dots" / "dots05.png", broken)
    stored.part(out, 2).unlink()
    assert embed_archive(run, data, out)["unreadable"] == 0
    assert not (out / "_unreadable.csv").exists()


def test_names_that_are_no_text(run: Path, pictures: Path, out: Path, tmp_path: Path, spacewise: Command) -> None:
    data = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff[red]"))
    shutil.copytree(pictures, data)
    query = data / os.fsdecode(b"\xfe.png")
    shutil.copy(pictures / "dots" / "dots00.png", query)
    assert spacewise("embed", run, data, "--out", out)[0] == 0
    assert spacewise("embed", run, data, "--out", out)[0] == 0
    for asked in (query, data, "id:\udcfe.png"):
        code, _, said = spacewise("search", run, asked, "--in", out, "--out", tmp_path / "fb[red]x", "--k", 2)
        assert code == 0, said
        assert f"{tmp_path}/fb[red]x/hits.csv" in said
    found = pd.read_csv(tmp_path / "fb[red]x" / "hits.csv")
    assert found["query"].tolist() == ["id:\\xfe.png"] * 2
    with pytest.raises(InputError, match="the name of this folder is not UTF-8"):
        embed_archive(run, pictures, data / "out")


def test_a_folder_of_something_else_is_left_alone(run: Path, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(InputError, match="holds no embeddings"):
        embed_archive(run, pictures, tmp_path / "mine")
    with pytest.raises(InputError, match="is a file"):
        embed_archive(run, pictures, tmp_path / "mine" / "letter.txt")
    assert os.listdir(tmp_path / "mine") == ["letter.txt"]


def test_a_full_disk(run: Path, pictures: Path, out: Path, monkeypatch: pytest.MonkeyPatch, spacewise: Command) -> None:
    write = stored.pq.write_table

    def full(table: Any, path: Path, **more: Any) -> None:
        if "part-00003" in str(path):
            path.write_bytes(b"begun")
            raise OSError(errno.ENOSPC, "No space left on device")
        write(table, path, **more)

    monkeypatch.setattr(stored.pq, "write_table", full)
    code, _, said = spacewise("embed", run, pictures, "--out", out)
    assert code == 2
    assert "No space left on device; 3 of 5 shards are done, the same command goes on" in " ".join(said.split())
    assert not list(out.glob(".*"))
    monkeypatch.setattr(stored.pq, "write_table", write)
    assert spacewise("embed", run, pictures, "--out", out)[0] == 0
    assert len(open_embeddings(out)) == 36


def test_ctrl_c(run: Path, pictures: Path, out: Path, monkeypatch: pytest.MonkeyPatch, spacewise: Command) -> None:
    shard, made = embedding._shard, []

    def stops(*given: Any) -> Any:
        made.append(0)
        if len(made) == 3:
            raise KeyboardInterrupt
        return shard(*given)

    monkeypatch.setattr(embedding, "_shard", stops)
    code, _, said = spacewise("embed", run, pictures, "--out", out)
    assert code == 130
    assert "2 of 5 shards are done, the same command goes on" in said
    assert "interrupted" in said
    assert sorted(contents(out)) == ["part-00000.parquet", "part-00001.parquet"]
    assert not list(out.glob(".*"))


def spoilt(pictures: Path, data: Path) -> dict[str, str]:
    """The pictures, some of which cannot be read; returns them and why."""
    shutil.copytree(pictures, data)
    for index in range(8):  # a whole shard
        (data / "checks" / f"checks{index:02d}.png").write_bytes(b"no picture")
    Image.new("RGB", (24, 24)).save(data / "dots" / "dots03.png")
    np.save(data / "stripes" / "nan.npy", np.full((24, 24), np.nan, np.float32))
    (data / "stripes" / "cut.png").write_bytes((data / "stripes" / "stripes00.png").read_bytes()[:60])
    (data / "stripes" / "nowhere.png").symlink_to(data / "gone.png")
    why = {f"checks/checks{index:02d}.png": "cannot read" for index in range(8)}
    why |= {"dots/dots03.png": "has 3 bands, the network takes 1", "stripes/nan.npy": "not finite"}
    return why | {"stripes/cut.png": "cannot read", "stripes/nowhere.png": "No such file"}


def test_unreadable_images(run: Path, pictures: Path, out: Path, tmp_path: Path, spacewise: Command) -> None:
    why = spoilt(pictures, tmp_path / "data")
    code, _, said = spacewise("embed", run, tmp_path / "data", "--out", out)
    assert code == 0
    assert "unreadable: 12 of 39: checks/checks00.png, checks/checks01.png, checks/checks02.png and 9 more" in said
    with (out / "_unreadable.csv").open(encoding="utf-8", newline="") as file:
        named = {row["id"]: row["why"] for row in csv.DictReader(file)}
    assert named.keys() == why.keys()
    assert all(why[name] in named[name] for name in why)
    made = open_embeddings(out)
    assert len(made) == 27
    assert made.lengths[0] == 0
    rows, ids = made.table(["row", "id"]).to_numpy().T
    assert len(set(rows)) == 27
    truth = expected(run, pictures, list(ids), ["feature"])["feature"]
    np.testing.assert_allclose(whole(out), truth, atol=1e-5)
    assert stored.part_facts(out, 0)["unreadable"].keys() == {name for name in why if name.startswith("checks")}
    np.testing.assert_array_equal(made.take("feature", [26, 0]), whole(out)[[26, 0]])
    assert len(pd.read_parquet(out)) == 27


def test_a_file_that_vanishes_or_changes_after_the_listing(
    run: Path, pictures: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    shutil.copytree(pictures, data)
    listed = embedding.write_listing

    def then_changed(*given: Any) -> Any:
        made = listed(*given)
        (data / "dots" / "dots05.png").unlink()
        shutil.copy(data / "stripes" / "stripes00.png", data / "dots" / "dots06.png")
        return made

    monkeypatch.setattr(embedding, "write_listing", then_changed)
    assert embed_archive(run, data, out)["unreadable"] == 1
    ids = open_embeddings(out).table(["id"])["id"].tolist()
    values = whole(out)
    assert "dots/dots05.png" not in ids
    same = [ids.index(name) for name in ("dots/dots06.png", "stripes/stripes00.png")]
    np.testing.assert_allclose(values[same[0]], values[same[1]], atol=1e-6)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda data: (data / "a.png").write_bytes(b"no"), "none of the 1 images .* can be read; cannot read"),
        (lambda data: Image.new("RGB", (9, 9)).save(data / "a.png"), "a.png has 3 bands, the network takes 1"),
        (lambda data: (data / "a.txt").write_text("a"), "holds no pictures"),
        (lambda data: data.rmdir(), "does not exist"),
    ],
)
def test_refused_at_the_door(run: Path, out: Path, tmp_path: Path, make: Any, line: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    make(data)
    with pytest.raises(InputError, match=line):
        embed_archive(run, data, out)
    assert not out.exists()


def test_hostile_names(run: Path, pictures: Path, out: Path, tmp_path: Path, spacewise: Command) -> None:
    data = tmp_path / "d'a\"t,a [bold] #1"
    data.mkdir()
    picture = next((pictures / "dots").iterdir())
    names = [
        "'quote\".png",
        "new\nline.png",
        "слово-字-é.png",
        "[red]x[-red].png",
        "a b;c$(d).PNG",
        "%s{}.png",
        "-o.png",
    ]
    for name in [*names, "bad\n[red]'\".png"]:
        shutil.copy(picture, data / name)
    (data / "bad\n[red]'\".png").write_bytes(b"")
    bytes_name = os.path.join(os.fsencode(data), b"\xff\xfe.png")
    shutil.copy(picture, bytes_name)
    code, _, said = spacewise("embed", run, data, "--out", out)
    assert code == 0
    assert "unreadable: 1 of 9" in said
    ids = open_embeddings(out).table(["id"])["id"].tolist()
    assert set(ids) == {*names, "\\xff\\xfe.png"}
    assert spacewise("embed", run, data, "--out", out)[0] == 0


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"spaces": ["featur"]}, "unknown space 'featur': did you mean 'feature'"),
        ({"spaces": ["block3:min"]}, "unknown reading"),
        ({"weights": "lats"}, "unknown weights 'lats': did you mean 'last'"),
        ({"weights": "last"}, "has no last weights; it has: best"),
        ({"stride": 3}, "--stride is for tiles of GeoTIFFs"),
        ({"run": Path("nowhere")}, "is no run: it does not exist"),
    ],
)
def test_refusals(run: Path, pictures: Path, out: Path, change: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        embed_archive(**({"run": run, "data": pictures, "out": out} | change))
    assert not out.exists()


def test_a_run_without_weights(run: Path, pictures: Path, out: Path) -> None:
    (run / "weights" / "best.safetensors").unlink()
    with pytest.raises(InputError, match=r"has no best weights: .*weights holds none"):
        embed_archive(run, pictures, out)


def test_an_unfinished_run(run: Path, pictures: Path, out: Path) -> None:
    facts = files.read_json(run / "run.json")
    del facts["best_epoch"]
    files.write_json(run / "run.json", facts | {"status": "training"})
    with pytest.raises(InputError, match="its training is not finished; continue it with"):
        embed_archive(run, pictures, out)


def test_a_network_made_in_python(run: Path, pictures: Path, out: Path) -> None:
    text = (run / "experiment.yaml").read_text(encoding="utf-8")
    head, _, rest = text.partition("net:\n")
    rest = rest[rest.index("objective:") :]
    (run / "experiment.yaml").write_text(f"{head}net:\n  name: custom\n{rest}", encoding="utf-8")
    with pytest.raises(InputError, match=r"made in Python; open it with open_run\(folder, net=…\)"):
        embed_archive(run, pictures, out)


def test_the_command_says_what_it_made(run: Path, pictures: Path, out: Path, spacewise: Command) -> None:
    code, _, said = spacewise("embed", run, pictures, "--out", out)
    assert code == 0
    assert "36 images, feature (8)" in said
    code, printed, _ = spacewise("embed", run, pictures, "--out", out, "--json")
    assert (code, json.loads(printed)["samples"]) == (0, 36)
    assert spacewise("embed", run, pictures)[0] == 2
    assert "Example" in spacewise("embed", "--help")[1]


def test_what_is_made_ahead_comes_in_order_and_fails_in_its_turn() -> None:
    def items() -> Any:
        yield from range(5)
        raise InputError("no more")

    taken = []
    coming = ahead(items(), 2)
    with pytest.raises(InputError, match="no more"):
        list(map(taken.append, coming))
    assert taken == list(range(5))
    endless = ahead(iter(int, 1), 2)
    assert next(endless) == 0
    endless.close()  # its thread ends, too


def test_what_is_written_behind_fails_before_the_next() -> None:
    def fails() -> None:
        raise InputError("full")

    done: list[int] = []
    with Behind() as behind:
        behind(done.append, 1)
        behind(fails)
        with pytest.raises(InputError, match="full"):
            behind(done.append, 2)
    assert done == [1]


def test_what_is_written_behind_fails_at_the_end() -> None:
    def fails() -> None:
        raise InputError("full")

    behind = Behind()
    behind(fails)
    with pytest.raises(InputError, match="full"):
        behind.__exit__(None, None, None)
