"""The page of all benchmarks: what it runs, how it fits, what it says. No timings."""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from benchmarks import bench
from benchmarks.growth.operation import LIMIT, OURS
from benchmarks.growth.run import alone, disagreements, planned
from benchmarks.growth.table import OPERATIONS
from benchmarks.page import fit, scripts, tables
from benchmarks.page.state import State
from benchmarks.page.write import PAGE, TABLE, write

from spacewise.errors import InputError

SIZES = (100, 200, 400, 800)
PML = "pytorch-metric-learning"
KEY = {"code": "x", "threads": "2", "machine": "P, 2 cores", "libraries": "torch 2"}
GROWTH, VIEWS = KEY | {"scale": 1.0}, KEY | {"arguments": ["--rounds", "1"]}


def row(contender: str, size: int, seconds: float, megabytes: float = 10.0, **more: object) -> dict[str, object]:
    found = GROWTH | {
        "operation": "triplet",
        "contender": contender,
        "size": size,
        "round": 0,
        "value": 0.5,
        "others": 0.0,
    }
    return (
        found | {"seconds": seconds, "processor": seconds, "megabytes": megabytes, "load": 0.1, "commit": "c1"} | more
    )


def rows() -> list[dict[str, object]]:
    grown = [row(OURS, size, 1e-6 * size**2, 2.0) for size in SIZES]
    grown += [row(PML, size, 1e-8 * size**3, 40.0) for size in SIZES]
    return grown + [row(LIMIT, size, 5e-7 * size**2, 0.0, value=None) for size in SIZES]


def record(name: str, **more: object) -> dict[str, object]:
    found = {"name": name, "command": f"python benchmarks/{name}.py --rounds 1", "commit": "c1"} | VIEWS
    found |= {"started": "2026-01-01 10:00", "seconds": 61.0, "load": 0.1, "others": 0.0}
    return found | {"done": True, "printed": "12 ms <b>a & b</b>\n", "error": ""} | more


def whole(**more: object) -> dict[str, object]:
    machine = {"described": {"processor": "P", "cores": "2"}, "versions": {"torch": "2"}, "speeds": {"copy": 12.5}}
    state = {"scripts": {"views": record("views")}, "growth": rows(), "machine": machine, "threads": 2, "scale": 1.0}
    state |= {
        "keys": {"growth": GROWTH, "views": VIEWS},
        "rounds": 1,
        "quick": False,
        "command": "python bench.py",
        "commit": "c1",
        "date": "today",
        "seconds": 9.0,
    }
    return state | more


def test_every_script_is_in_the_table_with_arguments_that_it_knows() -> None:
    assert set(scripts.discovered()) <= set(scripts.SCRIPTS)
    for name in scripts.discovered():
        text = (scripts.HERE / f"{name}.py").read_text(encoding="utf-8")
        for quick in (False, True):
            flags = [word for word in scripts.arguments(name, quick, 2) if word.startswith("--")]
            assert [flag for flag in flags if f'"{flag}"' not in text] == [], name


def test_every_operation_has_us_a_limit_and_a_peer() -> None:
    for name, operation in OPERATIONS.items():
        assert {OURS, LIMIT} < set(operation.contenders), name
        assert {*operation.agree, *operation.up_to, *operation.needs} <= set(operation.contenders), name
        assert [size / operation.sizes()[0] for size in operation.sizes()] == [1, 2, 4, 8]
        assert operation.sizes(1e-9)[0] == max(operation.least, operation.multiple)


def test_sizes_are_whole_batches() -> None:
    assert OPERATIONS["training"].sizes(0.15) == [64, 128, 256, 512]
    assert OPERATIONS["training"].sizes(0.3) == [128, 256, 512, 1024]
    assert OPERATIONS["training"].sizes() == [256, 512, 1024, 2048]


def test_threads_are_given_to_every_script_that_takes_them() -> None:
    assert scripts.arguments("triplet", True, 3)[-2:] == ["--threads", "3"]
    assert (scripts.threads_of("triplet", 3), scripts.threads_of("embedding", 3)) == ("3", "3")
    assert scripts.threads_of("views", 3) == "1"
    for name in scripts.discovered():
        takes = '"--threads"' in (scripts.HERE / f"{name}.py").read_text(encoding="utf-8")
        assert takes == (scripts.SCRIPTS[name].threads == scripts.OPTION), name


def test_a_contender_that_takes_far_longer_is_left_out_where_it_says() -> None:
    sizes = {size for name, size in OPERATIONS["triplet"].cases() if name == "open-metric-learning"}
    assert sizes <= {OPERATIONS["triplet"].sizes()[0]}
    plan = planned(["silhouette"], 1.0, 2)
    assert len(plan) == 3 * 4 * 2
    assert len({tuple(each.values()) for each in plan}) == len(plan)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_the_fit_finds_the_exponent(power: float) -> None:
    assert fit.exponent(SIZES, [3e-4 * size**power for size in SIZES]) == pytest.approx(power, abs=1e-9)


def test_the_fit_is_least_squares_on_logarithms() -> None:
    values = np.array([1.0, 3.0, 3.5, 9.0])
    slope = np.linalg.lstsq(np.c_[np.log(SIZES), np.ones(4)], np.log(values), rcond=None)[0][0]
    assert fit.exponent(SIZES, values) == pytest.approx(slope)
    assert math.isnan(fit.exponent([100], [1.0]))
    assert math.isnan(fit.exponent([100, 100], [1.0, 2.0]))
    assert math.isnan(fit.exponent([100, 200], [1.0, 0.0]))


def test_medians_over_rounds_and_the_most_memory() -> None:
    three = [row(OURS, 100, s, m, round=r) for r, (s, m) in enumerate([(1.0, 5.0), (9.0, 7.0), (2.0, 6.0)])]
    table = fit.medians([*three, row(OURS, 200, 1.0, error="it died")])
    assert table[["seconds", "megabytes", "rounds"]].to_numpy().tolist() == [[2.0, 7.0, 3.0]]
    assert list(fit.medians([]).columns) == list(fit.COLUMNS)


def test_a_verdict_compares_at_the_largest_common_size() -> None:
    found = fit.verdict(fit.medians(rows()), "triplet")
    assert found is not None
    assert (found.size, found.peer, found.word) == (800, PML, "faster")
    assert found.ratio == pytest.approx(8)
    assert (found.our_exponent, found.their_exponent) == (pytest.approx(2), pytest.approx(3))
    without = [each for each in rows() if each["contender"] != PML or each["size"] <= 100]
    small = fit.verdict(fit.medians(without), "triplet")
    assert small is not None
    assert (small.size, small.word) == (100, "even")
    assert fit.verdict(fit.medians([row(OURS, 100, 1.0)]), "triplet") is None


def test_the_fastest_peer_is_the_best_and_may_win() -> None:
    table = fit.medians([*rows(), *(row("other", size, 1e-7 * size**2, 1.0) for size in SIZES)])
    found = tables.found_verdicts(table, OPERATIONS)
    assert (found["triplet"].peer, found["triplet"].word) == ("other", "slower")
    said = " ".join(tables.sentences(found, OPERATIONS))
    assert "A peer is faster in 1: Triplet loss over all triplets." in said
    assert "More memory than the best peer: Triplet loss" in said


def test_results_that_differ_are_said() -> None:
    assert disagreements("triplet", rows()) == []
    differing = [*rows(), row(OURS, 1600, 1.0, value=0.5), row(PML, 1600, 1.0, value=0.6)]
    assert disagreements("triplet", differing) == [
        f"the results differ at 1,600 samples: spacewise 0.5, {PML} 0.6",
    ]


def test_the_page_holds_everything_and_escapes_it(tmp_path: Path) -> None:
    failed = record("training", done=False, error="ValueError: <oops>", printed="")
    lost = row("other", 800, 0.0, error="the process died with exit code -9")
    page = write(whole(scripts={"views": record("views"), "training": failed}, growth=[*rows(), lost]), tmp_path)
    text = page.read_text(encoding="utf-8")
    assert page.name == PAGE
    assert (tmp_path / TABLE).read_text().startswith("operation,contender,size,seconds,processor,megabytes,rounds")
    assert "12 ms &lt;b&gt;a &amp; b&lt;/b&gt;" in text
    assert "&lt;oops&gt;" in text
    assert "<oops>" not in text
    for word in ("Triplet loss over all triplets", "n^2.00", "n^3.00", "Failed: training.", "exit code -9", "<svg"):
        assert word in text
    assert "https://" not in text
    assert "src=" not in text


def test_the_page_says_when_the_machine_was_busy_or_the_code_another(tmp_path: Path) -> None:
    quiet = write(whole(), tmp_path).read_text()
    assert "was busy" not in quiet
    growth = [*rows(), row(OURS, 800, 1.0, others=0.9, commit="c2", round=1)]
    growth += [row(OURS, 800, 1.0, others=0.9, commit="c2", round=2)]
    text = write(whole(growth=growth), tmp_path).read_text()
    assert "was busy with other work during 1 of 13 measurements" in text
    assert "several commits: c1, c2" in text


def test_nothing_measured_is_a_page_as_well(tmp_path: Path) -> None:
    assert "No operation was measured" in write(whole(growth=[], scripts={}), tmp_path).read_text()


def test_what_is_there_is_not_run_again(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.script(record("views"))
    state.script(record("training", done=False, error="x"))
    state.growth(row(OURS, 100, 1.0))
    state.growth(row(OURS, 200, 1.0, error="x"))
    state.growth(row(OURS, 100, 1.0, operation="views", code="old"))
    again = State(tmp_path)
    assert again.failed()
    assert again.has_script("views", VIEWS)
    for other in ({"code": "y"}, {"arguments": []}, {"threads": "1"}, {"machine": "Q"}, {"libraries": "torch 3"}):
        assert not again.has_script("views", VIEWS | other)
    assert not again.has_script("training", VIEWS)
    assert (tmp_path / "views.txt").read_text().endswith("12 ms <b>a & b</b>\n")
    assert not (tmp_path / "training.txt").exists()
    there = again.keep(GROWTH, ["triplet"])
    assert there == [{"operation": "triplet", "contender": OURS, "size": 100, "round": 0}]
    assert [each["operation"] for each in again.values["growth"]] == ["views", "triplet"]
    assert again.keep(GROWTH | {"machine": "Q"}, ["triplet"]) == []
    assert [each["operation"] for each in again.values["growth"]] == ["views"]


def test_what_was_measured_otherwise_is_named(tmp_path: Path) -> None:
    assert "Measured with other" not in write(whole(), tmp_path).read_text()
    growth = [*rows(), row(OURS, 100, 1.0, operation="silhouette", threads="1", libraries="torch 1")]
    text = write(whole(growth=growth, scripts={"views": record("views", threads="4")}), tmp_path).read_text()
    assert "Measured with other threads than said here: Silhouette of every sample, views." in text
    assert "Measured with other versions of libraries than said here: Silhouette of every sample." in text
    assert "measured with other threads than the header says" in text
    assert "other machine" not in text


def test_the_page_is_made_anew_without_measuring(tmp_path: Path) -> None:
    options = bench.parsed(["--page", "--out", str(tmp_path)])
    with pytest.raises(InputError, match="no measurements there"):
        bench.bench(options)
    state = State(tmp_path)
    state.values |= whole()
    state.save()
    stored = (tmp_path / "benchmarks.json").read_text()
    assert bench.bench(options) == 0
    assert "n^2.00" in (tmp_path / PAGE).read_text()
    assert (tmp_path / "benchmarks.json").read_text() == stored


def test_a_script_that_does_not_end_is_ended_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts, "GRACE", 0.1)
    code = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    began = time.perf_counter()
    printed, error = scripts.called([sys.executable, "-c", code], os.environ, 1.0)
    assert time.perf_counter() - began < 20
    assert error == "no end within 1 s"
    status = Path(f"/proc/{printed.strip()}/status")
    assert not status.exists() or "(zombie)" in status.read_text()


def test_how_a_script_ended_is_said() -> None:
    assert scripts.called([sys.executable, "-c", "print(1)"], os.environ, 60.0) == ("1\n", "")
    assert scripts.called([sys.executable, "-c", "raise ValueError(2)"], os.environ, 60.0)[1].endswith("ValueError: 2")
    assert scripts.called([sys.executable, "-c", "import os; os._exit(3)"], os.environ, 60.0)[1] == "exit code 3"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--only", "traning"], "did you mean 'training'"),
        (["--operation", "siluette"], "did you mean 'silhouette'"),
        (["--rounds", "0"], "rounds must be 1 or more, not 0"),
        (["--scale", "-1"], "scale must be above 0, not -1"),
    ],
)
def test_what_there_is_not_is_refused(given: list[str], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        bench.parsed(given)


def test_what_dies_in_its_process_is_said() -> None:
    with pytest.raises(RuntimeError, match="ValueError: math domain error"):
        alone(math.log, -1.0, threads=1)
    assert alone(math.sqrt, 4.0, threads=1) == 2.0


def test_numbers_as_they_are_printed() -> None:
    assert [tables.significant(value) for value in (1240.0, 31.44, 0.871)] == ["1,240", "31.4", "0.87"]
    assert tables.memory(0.3).replace("\u202f", " ") == "< 1 MB"
    assert tables.shares(10.0, 0.5) == "–"
    assert tables.time(0.0142).replace("\u202f", " ") == "14.2 ms"
