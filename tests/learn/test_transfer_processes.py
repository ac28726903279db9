"""A transfer in two processes is that in one: alignments are of the global batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tests.learn.two_domains import (
    CONDITIONAL,
    FIRST,
    SLICED,
    in_table,
    tensors,
    transferred,
    write_domains,
)

OPTIONS: dict[str, Any] = {
    "alternate": [SLICED, CONDITIONAL, "domain_adversarial(hidden=4)@embedding"],
    "target_batch": 4,
    "weight_decay": 0.1,
    "freeze_alternate": ["source"],
}
TWO = """
import json, sys
from pathlib import Path
import torch
from tests.learn import two_domains
from spacewise import nets

torch.set_num_threads(1)
nets.NETS["tiny"] = two_domains.tiny
root, out, options = sys.argv[1:]
two_domains.transferred(Path(root), Path(out), **json.loads(options))
assert torch.distributed.get_world_size() == 2
"""


@pytest.mark.parametrize("pretraining", [FIRST | {"epochs": 1}, None])
def test_two_processes_agree_with_one(
    two_processes: Callable[..., None], tmp_path: Path, pretraining: dict[str, Any] | None
) -> None:
    """Also where both find that the pretraining is not there yet, and where one has made it for both."""
    root, options = write_domains(tmp_path / "domains"), OPTIONS | {"pretraining": pretraining}
    two_processes(TWO, root, tmp_path / "two", json.dumps(options))
    with in_table():
        one = transferred(root, tmp_path / "one", **options)
    for name in ("last", "state"):
        found, expected = tensors(tmp_path / "two", name), tensors(one, name)
        assert found.keys() == expected.keys()
        for key, values in expected.items():
            torch.testing.assert_close(found[key], values, rtol=0, atol=1e-5, msg=f"{name}: {key}", check_dtype=False)
    assert any("domain_adversarial" in key or key.startswith("alternate.losses.2") for key in expected)
    columns = [name for name in one.log if name not in ("seconds", "images_per_second")]
    logs = [pd.read_csv(tmp_path / name / "log.csv")[columns] for name in ("one", "two")]
    pd.testing.assert_frame_equal(*logs, check_exact=False, rtol=1e-4)
