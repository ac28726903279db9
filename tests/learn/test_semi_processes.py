"""Few labels in two processes are few labels in one, also where parts of the network learn nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tests.learn.few_labels import COSTS, ENTROPY, in_table, trained, write_pictures
from tests.learn.two_domains import tensors

TWO = """
import json, sys
from pathlib import Path
import torch
from tests.learn import few_labels, two_domains
from spacewise import nets

torch.set_num_threads(1)
nets.NETS["tiny"] = two_domains.tiny
root, out, terms, options = sys.argv[1:]
few_labels.trained(Path(root), Path(out), *json.loads(terms), **json.loads(options))
assert torch.distributed.get_world_size() == 2
"""
FIXMATCH = (ENTROPY, "consistency(hard=True)@classifier")
OPTIONS: dict[str, Any] = {"memory": 0, "alignment": 0, "rate": 0.002}


def test_two_processes_agree_with_one(two_processes: Callable[..., None], tmp_path: Path) -> None:
    """Six steps with drawn views; the projection has no gradient, and no process may wait for one."""
    root = write_pictures(tmp_path / "pictures")
    two_processes(TWO, root, tmp_path / "two", json.dumps(FIXMATCH), json.dumps(OPTIONS))
    with in_table():
        one = trained(root, tmp_path / "one", *FIXMATCH, **OPTIONS)
    for name in ("last", "averaged", "state"):
        found, expected = tensors(tmp_path / "two", name), tensors(one, name)
        assert found.keys() == expected.keys()
        for key, values in expected.items():
            torch.testing.assert_close(found[key], values, rtol=0, atol=1e-5, msg=f"{name}: {key}", check_dtype=False)
    assert int(expected["pseudo_labels.batches"]) == 6
    logs = [pd.read_csv(tmp_path / name / "log.csv").drop(columns=COSTS) for name in ("one", "two")]
    pd.testing.assert_frame_equal(*logs, check_exact=False, rtol=1e-4)
