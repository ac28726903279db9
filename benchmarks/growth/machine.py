"""What the machine is, and what it can do at best."""

from __future__ import annotations

import hashlib
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SIDE, BYTES = 2048, 2**28
LIBRARIES = (
    *("spacewise", "torch", "numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "pillow", "lightning-fabric"),
    *("faiss-cpu", "pytorch-metric-learning", "open-metric-learning", "POT", "captum", "torchcam", "grad-cam"),
    *("h5py", "ray", "optuna", "lancedb"),
)


def described(threads: int) -> dict[str, str]:
    """Processor, cores, memory, system."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    units = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{model} ({', '.join(units)})" if units else model,
        "cores": str(os.cpu_count()),
        "threads": str(threads),
        "memory": f"{memory:.0f} GiB",
        "system": platform.platform(terse=True),
    }


def key() -> dict[str, str]:
    """What figures depend on beside code and settings: the processor with its cores, and the libraries."""
    here = described(0)
    libraries = ", ".join(f"{name} {version}" for name, version in versions().items())
    return {"machine": f"{here['processor']}, {here['cores']} cores", "libraries": libraries}


def versions() -> dict[str, str]:
    """Python and each library that is installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def speeds(threads: int) -> dict[str, float]:
    """GFLOP/s of the product of two matrices of 2,048 x 2,048, GB/s of a copy in memory and of a file."""
    import torch

    torch.set_num_threads(threads)
    found = {}
    for name, precision in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        left, right = (torch.randn(SIDE, SIDE).to(precision) for _ in range(2))
        found[f"{name} product, GFLOP/s"] = 2 * SIDE**3 / _median(partial(torch.matmul, left, right)) / 1e9
    source, target = torch.ones(BYTES // 4), torch.empty(BYTES // 4)
    found["copy in memory, GB/s read and written"] = 2 * BYTES / _median(lambda: target.copy_(source)) / 1e9
    return found | _disk()


def _median(call: Callable[[], Any], seconds: float = 1.0) -> float:
    """The median of calls during a second, after one that does not count."""
    call()
    times: list[float] = []
    while sum(times) < seconds:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _disk() -> dict[str, float]:
    block = os.urandom(2**24)
    with tempfile.NamedTemporaryFile(prefix="growth") as file:
        began = time.perf_counter()
        for _ in range(BYTES // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        written = time.perf_counter() - began
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # else it would come from memory
        file.seek(0)
        began = time.perf_counter()
        while file.read(2**24):
            pass
        read = time.perf_counter() - began
    return {"disk written and synced, GB/s": BYTES / written / 1e9, "disk read, GB/s": BYTES / read / 1e9}


def digest(files: Iterable[Path]) -> str:
    """Of the code in these files and in the package: what was measured by other code is measured again."""
    found = hashlib.sha256()
    for path in sorted({*files, *(ROOT / "src").rglob("*.py")}):
        found.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def commit() -> str:
    """The commit of the code, with `+` when package or benchmarks have been changed; empty outside a checkout."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=10)
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "src", "benchmarks") else "")
    except (OSError, subprocess.TimeoutExpired):
        return ""
