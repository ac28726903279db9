"""Few labels in two processes are few labels in one: bank, alignment and every loss are of the global batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tests.learn.few_labels import COMATCH, COSTS, ENTROPY, in_table, trained, write_pictures
from tests.learn.two_domains import tensors

from spacewise.methods import TRIPLET

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
ALL = (*COMATCH, "class_aware_contrast@embedding", TRIPLET, "0.1*center@feature of unlabelled")


@pytest.mark.parametrize(
    ("terms", "options"),
    [
        (ALL, {"threshold": 0.5, "alignment": 4, "rate": 0.0005}),
        ((ENTROPY, "consistency(hard=True)@classifier"), {"memory": 0, "alignment": 0, "rate": 0.002}),
    ],
    ids=["all", "fixmatch"],
)
def test_two_processes_agree_with_one(
    two_processes: Callable[..., None],
    tmp_path: Path,
    terms: tuple[str, ...],
    options: dict[str, Any],
) -> None:
    """Six steps with drawn views, four of them with a full memory; under FixMatch the projection has no gradient."""
    root = write_pictures(tmp_path / "pictures")
    two_processes(TWO, root, tmp_path / "two", json.dumps(terms), json.dumps(options))
    with in_table():
        one = trained(root, tmp_path / "one", *terms, **options)
    for name in ("last", "averaged", "state"):
        found, expected = tensors(tmp_path / "two", name), tensors(one, name)
        assert found.keys() == expected.keys()
        for key, values in expected.items():
            torch.testing.assert_close(found[key], values, rtol=0, atol=1e-5, msg=f"{name}: {key}", check_dtype=False)
    assert int(expected["pseudo_labels.batches"]) == 6
    logs = [pd.read_csv(tmp_path / name / "log.csv").drop(columns=COSTS) for name in ("one", "two")]
    pd.testing.assert_frame_equal(*logs, check_exact=False, rtol=1e-4)
