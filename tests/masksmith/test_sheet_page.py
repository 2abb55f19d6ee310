"""The contact sheet in a real browser: from a file, without a request, filtered by pointer and keyboard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from masksmith import cli
from masksmith.demo.browser import ARGS
from tests.masksmith import small_set

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
if not CHROMIUM:
    pytest.skip("no chromium on the path", allow_module_level=True)
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    data = small_set.write(folder / "data")
    cli.group.main(args=["show", str(data), "--out", str(folder / "sheet.html")], standalone_mode=False)
    cli.group.main(args=["stats", str(data), "--out", str(folder / "stats.html")], standalone_mode=False)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with sync_api.sync_playwright() as run:
        home = str(tmp_path_factory.mktemp("profile"))
        context = run.chromium.launch_persistent_context(home, executable_path=CHROMIUM, headless=True, args=ARGS)
        yield context
        context.close()


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("name", ["sheet.html", "stats.html"])
def test_pages_ask_for_nothing_say_nothing_and_fit_the_screen(name: str, width: int, browser: Any, pages: Path) -> None:
    tab = browser.new_page()
    tab.set_viewport_size({"width": width, "height": 800})
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda fault: said.append(str(fault)))
    tab.on("dialog", lambda box: said.append(box.message))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto((pages / name).as_uri())
    assert said == [] and all(url.startswith(("file://", "data:")) for url in asked)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("[...document.images].every(i => i.alt !== null && i.naturalWidth > 0 || i.loading === 'lazy')")
    tab.close()


def test_lists_narrow_the_sheet_together_and_keys_walk_through_it(browser: Any, pages: Path) -> None:
    tab = browser.new_page()
    tab.goto((pages / "sheet.html").as_uri())
    count = lambda: tab.evaluate("document.querySelectorAll('#sheet figure:not([hidden])').length")
    assert count() == small_set.COUNT
    tab.get_by_label("split", exact=True).select_option(label="train")
    assert count() == 16
    tab.get_by_label("blend", exact=True).select_option(label="poisson")
    assert count() < 16 and tab.get_by_role("status").inner_text() == f"{count()} of 24 pictures"
    assert tab.get_by_label("floor", exact=True).locator("option").count() >= 4
    over = "getComputedStyle(document.querySelectorAll('#sheet .shot img')[1]).opacity"
    assert tab.evaluate(over) == "0"
    tab.get_by_label("masks").focus()
    tab.keyboard.press("Space")
    assert tab.evaluate(over) == "1"
    tab.locator("#sheet figure:not([hidden])").first.focus()
    first = tab.evaluate("document.activeElement.querySelector('img').alt")
    tab.keyboard.press("ArrowRight")
    second = tab.evaluate("document.activeElement.querySelector('img').alt")
    assert second and second != first
    tab.get_by_role("button", name="Show all").click()
    tab.wait_for_function("document.querySelectorAll('#sheet figure[hidden]').length === 0")
    tab.close()
