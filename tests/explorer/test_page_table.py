"""The table and its file: the chosen samples, as the audit has them."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from tests.explorer.browser import Explorer

Tables = list[pd.DataFrame]


def _shown(explorer: Explorer) -> list[str]:
    return [each.strip() for each in explorer.page.locator("tbody td.id").all_inner_texts()]


def _natural(text: str) -> list[object]:
    return [int(each) if each.isdigit() else each for each in re.split(r"(\d+)", text)]


def _sorted(table: pd.DataFrame, column: str, down: bool) -> list[str]:
    """Ids in the order of a column: equal values, and those without one at the end, as they stood."""
    values = table[column]
    if column != "confidence":
        order = {text: number for number, text in enumerate(sorted(set(values), key=_natural))}
        values = values.map(order)
    return table.loc[(-values if down else values).sort_values(kind="stable").index, "id"].tolist()


@pytest.mark.parametrize(
    ("key", "column"),
    [("id", "id"), ("fact:label", "label"), ("1:confidence", "confidence"), ("1:prediction", "prediction")],
)
def test_a_click_on_a_column_sorts_both_ways(explorer: Explorer, tables: Tables, key: str, column: str) -> None:
    head = explorer.page.locator(f'[data-sort="{key}"]')
    for down in (False, True):
        head.click()
        explorer.page.wait_for_selector(f'th[aria-sort="{"descending" if down else "ascending"}"] [data-sort="{key}"]')
        shown = _shown(explorer)
        assert len(shown) >= 14
        assert shown == _sorted(tables[1], column, down)[: len(shown)]


def test_what_has_no_value_comes_last_both_ways(explorer: Explorer, tables: Tables) -> None:
    known = tables[0]["target"] >= 0
    for _ in range(2):
        explorer.page.locator('[data-sort="0:correct"]').click()
        explorer.page.locator(".scroll").evaluate("(each) => { each.scrollTop = each.scrollHeight }")
        last = explorer.page.locator(f'tr[aria-rowindex="{len(known) + 1}"]')
        last.wait_for()
        assert not known[int(last.get_attribute("data-sample"))]
        explorer.page.locator(".scroll").evaluate("(each) => { each.scrollTop = 0 }")
        explorer.page.locator('tr[aria-rowindex="2"]').wait_for()


def test_only_the_rows_in_sight_are_there_and_the_last_is_reached(explorer: Explorer, tables: Tables) -> None:
    explorer.page.locator('[data-sort="id"]').click()
    wanted = _sorted(tables[0], "id", down=False)
    assert explorer.page.locator(".samples h2").inner_text() == f"{len(wanted)} samples"
    assert len(_shown(explorer)) < 40
    seen: set[str] = set()
    for top in range(0, 28 * len(wanted), 280):
        explorer.page.locator(".scroll").evaluate("(each, top) => { each.scrollTop = top }", top)
        explorer.page.locator(f'tr[aria-rowindex="{min(top // 28 + 10, len(wanted)) + 1}"]').wait_for()
        seen |= set(_shown(explorer))
    assert seen == set(wanted)
    assert _shown(explorer)[-1] == wanted[-1]


def test_a_row_holds_the_values_of_its_sample_and_puts_it_in_focus(explorer: Explorer, tables: Tables) -> None:
    row = explorer.page.locator("tbody tr[data-sample]").nth(3)
    sample = int(row.get_attribute("data-sample"))
    names = [each.rstrip(" ↓↑") for each in explorer.page.locator("th").all_inner_texts()]
    cells = dict(zip(names, row.locator("td").all_inner_texts(), strict=True))
    assert cells["id"].strip() == tables[0]["id"][sample]
    assert cells["label"] == tables[0]["label"][sample]
    for table, run in zip(tables, ("plain", "dual"), strict=True):
        assert cells[f"prediction · {run}"] == table["prediction"][sample]
        assert float(cells[f"confidence · {run}"]) == pytest.approx(table["confidence"][sample], rel=1e-3)
    row.locator("td").nth(1).click()
    explorer.page.wait_for_selector(f'.panel[data-focus="{sample}"]')
    explorer.page.wait_for_selector(f'tr.focus[data-sample="{sample}"]')


def test_the_file_holds_what_the_parquet_holds(explorer: Explorer, tables: Tables) -> None:
    explorer.page.get_by_label("Search").fill("s2/")
    wanted = tables[0]["id"].str.contains("s2/")
    explorer.expect_chosen(wanted.sum())
    found = explorer.exported().set_index("id")
    for table, run in zip(tables, ("plain", "dual"), strict=True):
        own = table[wanted].set_index("id").loc[found.index]
        assert found[f"{run}: prediction"].tolist() == own["prediction"].tolist()
        assert found[f"{run}: part"].tolist() == own["part"].tolist()
        known = own["target"] >= 0
        assert (
            found[f"{run}: correct"][known].tolist() == own["correct"][known].map({True: "yes", False: "no"}).tolist()
        )
        assert (found[f"{run}: correct"][~known] == "").all()
        numbers = [name for name in own if name.startswith(("score:", "silhouette:", "confidence"))]
        assert len(numbers) > 10
        for name in numbers:
            assert pd.to_numeric(found[f"{run}: {name}"]).tolist() == pytest.approx(
                own[name].tolist(), rel=1e-6, nan_ok=True
            )
    for name in ("label", "serial", "scene", "role"):
        assert found[name].tolist() == tables[0][wanted].set_index("id").loc[found.index, name].tolist()
