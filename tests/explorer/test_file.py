"""The file of a page: nothing in it runs but its program, and it is the same each time."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from tests.explorer.pages import read_page
from tests.report.synthetic import HOSTILE, synthetic

from spacewise import files
from spacewise.audits import Audit
from spacewise.errors import InputError
from spacewise.explorer import page_of, write_explorer
from spacewise.explorer.page import BUNDLE

SOURCES = Path(__file__).parents[2] / "explorer"


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return synthetic(tmp_path_factory.mktemp("run"))


def test_nothing_in_it_ends_a_script_but_the_page(audit: Audit, tmp_path: Path) -> None:
    hostile = audit.table("samples")
    made = synthetic(tmp_path, name="</script><script>alert(1)</script>")
    hostile.loc[0, "id"] = "</script><!--<script>"
    hostile.loc[1, "serial"] = "</ScRiPt >&amp;"
    files.write_table(made.folder / "samples.parquet", hostile)
    file = write_explorer([made], tmp_path / "page.html", command="</script>")
    text = file.read_text(encoding="utf-8")
    page = read_page(file)
    assert text.lower().count("</script") == len(page.parts) + 2
    assert text.lower().count("<script") == len(page.parts) + 2
    assert "<!--" not in text
    assert page.json(page.contents["ids"])[0] == "</script><!--<script>"
    assert page.fact("serial")[1] == "</ScRiPt >&amp;"
    assert page.fact("label")[2] == HOSTILE
    assert page.contents["command"] == "</script>"
    assert "<title>&lt;/script&gt;" in text


def test_only_its_program_may_run_and_nothing_is_fetched(audit: Audit, tmp_path: Path) -> None:
    text = write_explorer([audit], tmp_path / "page.html", command="x").read_text(encoding="utf-8")
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    program = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(policy) == len(program) == 1
    digest = base64.b64encode(hashlib.sha256(program[0].encode()).digest()).decode()
    rules = dict(rule.split(None, 1) for rule in policy[0].split("; "))
    assert rules["script-src"] == f"'sha256-{digest}' 'unsafe-eval'"
    assert rules["default-src"] == "'none'"
    assert "http" not in policy[0]
    assert not re.search(r"<(script|link|img|iframe)[^>]*\s(src|href)=", text)


def test_the_same_runs_give_the_same_page(audit: Audit, tmp_path: Path) -> None:
    one, other = (write_explorer([audit], tmp_path / name, command="x") for name in ("one.html", "other.html"))
    assert one.read_bytes() == other.read_bytes()


def test_the_bundle_is_built_from_its_sources() -> None:
    if not (SOURCES / "build.mjs").is_file():
        pytest.skip("the explorer's sources are not here, only what was built from them")
    names = ["build.mjs", "package.json", "package-lock.json"]
    names += [f"src/{each.relative_to(SOURCES / 'src').as_posix()}" for each in (SOURCES / "src").rglob("*")]
    digest = hashlib.sha256()
    for name in sorted(name for name in names if not name.startswith("src/") or re.search(r"\.(tsx?|css)$", name)):
        digest.update(f"{name}\0".encode() + (SOURCES / name).read_bytes() + b"\0")
    with (BUNDLE / "explorer.js").open(encoding="utf-8") as stream:
        first = stream.readline()
    assert first.startswith(f"/* spacewise explorer, sources {digest.hexdigest()} */"), "run: node explorer/build.mjs"


def test_the_bundle_ends_no_script_or_style() -> None:
    program, style = ((BUNDLE / name).read_text(encoding="utf-8") for name in ("explorer.js", "explorer.css"))
    assert "</script" not in program.lower()
    assert "<!--" not in program
    assert "\r" not in program
    assert "</style" not in style.lower()


def test_where_the_page_of_a_run_goes(tmp_path: Path) -> None:
    assert page_of(Audit(tmp_path / "run" / "audit")) == tmp_path / "run" / "explorer.html"
    assert page_of(Audit(tmp_path / "run" / "audit-other")) == tmp_path / "run" / "explorer-other.html"


def test_a_page_that_cannot_be_written_leaves_nothing(audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot write"):
        write_explorer([audit], tmp_path / "file" / "page.html", command="x")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
