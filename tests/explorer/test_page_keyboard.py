"""All of the page is within reach of a keyboard and of a screen reader."""

from __future__ import annotations

from tests.explorer.browser import Explorer

CONTROLS = "button, select, input, summary, canvas[tabindex], [role=button]"
NAMED = {"button", "combobox", "searchbox", "slider", "spinbutton", "textbox", "img", "dialog", "region", "checkbox"}


def test_tab_reaches_every_control(explorer: Explorer) -> None:
    page = explorer.page
    page.locator("tbody tr[data-sample]").first.click()
    page.wait_for_selector(".panel .near")
    page.evaluate("document.body.tabIndex = -1; document.body.focus()")
    visible = f"""[...document.querySelectorAll("{CONTROLS}")]
        .filter((each) => !each.disabled && each.checkVisibility() && !each.closest("tbody"))"""
    count = page.evaluate(f"{visible}.length")
    assert count > 60
    page.evaluate("addEventListener('focusin', (event) => event.target.dataset.reached = 'yes')")
    for _ in range(3 * count):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('tr[aria-rowindex=\"12\"]') !== null"):
            break
    missed = page.evaluate(
        f"{visible}.filter((each) => !each.dataset.reached).map((each) => each.outerHTML.slice(0, 90))"
    )
    assert missed == []
    assert page.locator("tbody [data-reached]").count() > 5  # rows that are in sight


def test_every_control_and_picture_has_a_name(explorer: Explorer) -> None:
    page = explorer.page
    page.locator("tbody tr[data-sample]").first.click()
    page.wait_for_selector(".panel .near")
    session = explorer.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    shown = [node for node in nodes if not node["ignored"] and node.get("role", {}).get("value") in NAMED]
    assert len(shown) > 100
    nameless = [node["role"]["value"] for node in shown if not node.get("name", {}).get("value", "").strip()]
    assert nameless == []


def test_keys_search_help_and_close(explorer: Explorer) -> None:
    page = explorer.page
    page.keyboard.press("/")
    page.keyboard.type("tank")
    assert page.get_by_label("Search").input_value() == "tank"
    page.keyboard.press("Tab")
    page.locator("tbody .plain").first.press("Enter")
    page.wait_for_selector(".panel[data-focus]")
    page.keyboard.press("Escape")
    page.wait_for_selector(".panel:not([data-focus])")
    page.keyboard.press("Escape")
    explorer.expect_chosen(explorer.held.count)
    page.locator('.legend [data-value="scout"]').press("Enter")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Help").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog", name="Help").wait_for(state="hidden")
    assert len(explorer.view["conditions"]) == 1  # the help was closed, and nothing else


def test_a_cell_is_chosen_by_enter(explorer: Explorer) -> None:
    cell = explorer.page.locator('[data-chart="confusion"] [data-cell]').first
    cell.focus()
    cell.press("Enter")
    explorer.page.wait_for_selector('[data-cell][aria-pressed="true"]')
    explorer.page.locator('[data-cell][aria-pressed="true"]').press(" ")
    explorer.expect_chosen(explorer.held.count)
