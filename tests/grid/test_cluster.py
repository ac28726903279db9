"""Tasks over Ray: the same figures as in this process, also when a process is killed."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from tests.grid import study, tiny

from spacewise.errors import InputError
from spacewise.grid import place, run_all
from spacewise.grid.cluster import Cluster, reach, slots
from spacewise.learn import ensure
from spacewise.recipes import reproduce

ray = pytest.importorskip("ray")

LONG = 30  # epochs: seconds enough to be met in the middle


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray on two CPUs of this machine, which a place joins and leaves as it is."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # no process but that of each task, and none that gives way to those of other tests
    quick = {"prestart_worker_first_driver": False, "worker_niceness": 0}
    ray.init(
        "local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _system_config=quick,
    )
    yield
    ray.shutdown()


def test_a_killed_process_is_tried_again_from_its_state(
    cluster: None, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = tiny.task(pictures, tmp_path / "runs" / "long", epochs=LONG)
    bad = tiny.task(tmp_path / "nowhere", tmp_path / "runs" / "bad")
    with tiny.Struck(Cluster(), long.folder) as struck:
        assert struck.slots == 2
        with pytest.raises(InputError, match=r"1 of 2 experiments failed: bad: .*nowhere.*; the same command"):
            run_all([long, bad], struck, table=tmp_path / "experiments.csv")
    assert ray.is_initialized(), "it was not the place that started Ray"
    assert struck.struck, "a process was killed"
    shown = " ".join(capsys.readouterr().err.split())
    assert "long failed (try 1 of 3): WorkerCrashedError: The worker died unexpectedly" in shown
    assert (tmp_path / "experiments.csv").read_text().splitlines()[1].startswith("long,finished,2,")
    ensure(long.experiment, tmp_path / "here")
    assert tiny.same_weights(long.folder, tmp_path / "here")


def test_a_recipe_over_ray_has_the_same_table(cluster: None, tmp_path: Path) -> None:
    asked = replace(study.write_scenes(tmp_path / "scenes"), only=["swd-32"])
    table = {}
    for name, where in {"here": None, "ray": place("ray")}.items():
        page = reproduce(study.STUDY, asked, tmp_path / name, where)
        table[name] = pd.read_csv(page)
    pd.testing.assert_frame_equal(table["here"], table["ray"])
    folders = sorted(path.name for path in (tmp_path / "here" / "runs").iterdir())
    assert len(folders) == 2
    for folder in folders:
        assert tiny.same_weights(tmp_path / "here" / "runs" / folder, tmp_path / "ray" / "runs" / folder)


# What cannot be joined, or has no room


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ray://127.0.0.1:1", "no Ray cluster answers at ray://127.0.0.1:1: Connection refused; ray start --head"),
        ("ray://head", "a Ray cluster is named ray://HOST:PORT, such as ray://head:10001, not 'ray://head'"),
        ("ray://", "a Ray cluster is named ray://HOST:PORT"),
        ("ray://head:port", "a Ray cluster is named ray://HOST:PORT"),
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1"),
    ],
)
def test_an_address_that_nobody_answers_at_is_one_line(address: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        reach(address)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["", "auto", "local"])
def test_other_addresses_are_for_ray_to_find(address: str) -> None:
    reach(address)


def test_a_port_of_something_else_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacewise.grid.cluster.REACHED", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reach(f"127.0.0.1:{port}")
        with pytest.raises(InputError, match="what listens there is no Ray for clients"):
            reach(f"ray://127.0.0.1:{port}")


def hosts(*resources: dict[str, float]) -> list[dict[str, Any]]:
    return [{"Alive": True, "Resources": each} for each in resources]


@pytest.mark.parametrize(
    ("there", "cpus", "gpus", "room"),
    [
        (hosts({"CPU": 2.0}), 1, 0, 2),
        (hosts({"CPU": 8.0}, {"CPU": 3.0}), 2, 0, 5),
        (hosts({"CPU": 8.0, "GPU": 1.0}, {"CPU": 64.0}), 2, 0.5, 2),
        (hosts({"CPU": 8.0, "GPU": 4.0}), 4, 1, 2),
        ([*hosts({"CPU": 2.0}), {"Alive": False, "Resources": {"CPU": 9.0}}], 1, 0, 2),
    ],
)
def test_room_for_experiments(there: list[dict[str, Any]], cpus: int, gpus: float, room: int) -> None:
    assert slots(there, cpus, gpus) == room


@pytest.mark.parametrize(("cpus", "gpus"), [(3, 0), (1, 1)])
def test_what_no_host_has_room_for_is_refused(cpus: int, gpus: float) -> None:
    with pytest.raises(InputError, match=r"no host of the Ray cluster has \d CPUs and \d GPUs for one experiment"):
        slots(hosts({"CPU": 2.0}, {"CPU": 2.0}), cpus, gpus)


# A cluster that goes away


class Gone:
    """Ray whose cluster is gone as soon as it is asked anything."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def is_initialized(self) -> bool:
        return False

    def nodes(self) -> list[dict[str, Any]]:
        return hosts({"CPU": 2.0})

    def remote(self, **_: object) -> Callable[..., None]:
        return lambda _: None

    def wait(self, *_: object, **__: object) -> None:
        self.asked.append("wait")
        raise ConnectionError("the channel is closed\nlong story")

    def cancel(self, *_: object, **__: object) -> None:
        self.asked.append("cancel")
        raise ConnectionError("disconnected")

    def shutdown(self) -> None:
        self.asked.append("shutdown")
        raise ConnectionError("disconnected")


def test_a_cluster_that_is_gone_is_told_nothing_and_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, place = Gone(), Cluster("ray://head:10001")
    place.running = {"reference": tiny.task(tmp_path, tmp_path / "one")}
    words = r"^the Ray cluster at ray://head:10001 is gone: the channel is closed$"
    monkeypatch.setattr("spacewise.grid.cluster._ray", lambda: gone)
    monkeypatch.setattr("spacewise.grid.cluster.connect", lambda *_: None)
    with pytest.raises(InputError, match=words), place:
        place.wait(0.1)
    assert gone.asked == ["wait", "shutdown"]
    assert place.running == {}


def test_an_address_beside_a_ray_that_runs_here_is_refused(cluster: None) -> None:
    with pytest.raises(InputError, match="Ray runs in this process already: ray://head:10001 cannot be joined"):
        Cluster("ray://head:10001").__enter__()
    assert ray.is_initialized()


def test_sigterm_is_whose_it_was(cluster: None) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Cluster():
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_whatever_fails_at_the_door_leaves_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[str] = []
    fake = SimpleNamespace(is_initialized=lambda: False, nodes=lambda: 1 / 0, shutdown=lambda: left.append("shutdown"))
    monkeypatch.setattr("spacewise.grid.cluster._ray", lambda: fake)
    monkeypatch.setattr("spacewise.grid.cluster.connect", lambda *_: None)
    with pytest.raises(ZeroDivisionError):
        Cluster().__enter__()
    assert left == ["shutdown"]
