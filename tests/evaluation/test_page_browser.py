"""The report in a real browser: from a file, without a request, by pointer, finger and keyboard."""

import re
import shutil

import cv2
import numpy as np
import pytest

from evaluation import pictures, reel, region, report, temporal
from evaluation.counts import CountsBuilder, count_image
from masksmith.demo.browser import ARGS

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
if not CHROMIUM:
    pytest.skip("no chromium on the path", allow_module_level=True)
EVIL = '<script>alert("x")</script>'
FRAMES = 30


def sample(k, size=96):
    """Pictures of noise; the prediction wanders about the truth."""
    rows, columns = np.mgrid[:size, : size * 2]
    disc = lambda x, r: ((columns - x) ** 2 + (rows - 48) ** 2 < r**2).astype(np.uint8)
    truth, pred = disc(70, 16 + k), disc(70 + 9 * (k % 3), 16 + k)
    image = np.random.default_rng(k).integers(90, 160, (size, size * 2, 3), dtype=np.uint8)
    return pictures.Sample(f"{EVIL}/{k:02d}", 0.0, cv2.blur(image, (9, 9)), pred, truth)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    samples = [sample(k) for k in range(FRAMES)]
    builder, judge = CountsBuilder((0, 1)), temporal.ClipJudge("clip")
    for k, one in enumerate(samples):
        group = {"group.floor": [f"floor {k % 3}"]}
        builder.add(one.id, count_image(one.pred, one.truth), clip="clip", frame=k, **group)
        judge.update(one.pred, one.truth, frame=k)
    counts = builder.build()
    made = report.document(counts, time=temporal.summarise([judge.figures()]), title=EVIL)
    points = [{"confidence": x, "foreground": x**2, "pixels": 9.0, "low": x, "high": x} for x in (0.1, 0.5, 0.9)]
    made |= {"reliability": points, "ece": 0.1, "brier": 0.2}
    made["sweep"] = {"thresholds": [0.2, 0.5, 0.8], "iou_fg_image": [0.5, None, 0.7], "best": None, "note": "a leak"}
    iou = region.image_iou(counts)[0]
    ranked = {
        rank: [pictures.draw(samples[k], width=192) for k in places] for rank, places in pictures.choose(iou, 2).items()
    }
    clip = reel.film("clip", samples, numbers=list(range(FRAMES)), fps=10)
    folder = tmp_path_factory.mktemp("page")
    return report.write(folder, made, counts, ranked=ranked, wall=[], reels=[clip])["html"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with sync_api.sync_playwright() as run:
        home = str(tmp_path_factory.mktemp("profile"))
        context = run.chromium.launch_persistent_context(home, executable_path=CHROMIUM, headless=True, args=ARGS)
        yield context
        context.close()


@pytest.fixture
def opened(browser, page_file):
    """The page at 1280 px, with all that it says and asks for; anything but silence fails the test."""
    tab = browser.new_page()
    tab.set_viewport_size({"width": 1280, "height": 900})
    said, asked = [], []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda fault: said.append(str(fault)))
    tab.on("dialog", lambda box: said.append(box.message))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(page_file.as_uri())
    yield tab
    tab.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def stage(tab):
    found = tab.locator(".stage").first
    found.scroll_into_view_if_needed()
    return found


def at(found):
    return int(found.get_attribute("aria-valuenow"))


def test_the_slider_moves_by_mouse_and_changes_what_is_shown(opened):
    found = stage(opened)
    before, box = found.screenshot(), found.bounding_box()
    opened.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2)
    opened.mouse.down()
    opened.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] / 2, steps=4)
    opened.mouse.up()
    assert at(found) == pytest.approx(10, abs=1)
    assert found.screenshot() != before
    assert not opened.locator("dialog.large").is_visible()


def test_the_slider_moves_by_arrow_keys_and_changes_what_is_shown(opened):
    found = stage(opened)
    found.focus()
    opened.keyboard.press("End")
    errors = found.screenshot()
    assert at(found) == 100
    opened.keyboard.press("Home")
    assert found.screenshot() != errors
    for key, place in (("ArrowRight", 2), ("Shift+ArrowRight", 12), ("ArrowLeft", 10)):
        opened.keyboard.press(key)
        assert at(found) == place


def test_buttons_choose_what_stands_on_each_side(opened):
    found = stage(opened)
    found.focus()
    opened.keyboard.press("End")
    errors = found.screenshot()
    opened.locator('.switch [data-side="left"][data-show="truth"]').click()
    assert found.locator(".side.left").text_content() == "truth"
    assert found.screenshot() != errors
    opened.locator('.switch [data-side="left"][data-show="photo"]').click()  # what stood on the right
    assert found.locator(".side.right").text_content() == "truth"


def test_a_click_shows_the_picture_larger_and_escape_closes_it(opened):
    found = stage(opened)
    small = found.bounding_box()["width"]
    found.click(position={"x": 20, "y": 20})
    large = opened.locator("dialog.large .stage")
    assert large.bounding_box()["width"] > 2 * small
    large.click(position={"x": 10, "y": 20})
    assert at(large) < 5
    opened.keyboard.press("Escape")
    assert not opened.locator("dialog.large").is_visible()
    found.focus()
    opened.keyboard.press("Enter")
    assert large.is_visible()


def test_a_heading_sorts_its_table_up_and_down(opened):
    table = opened.locator("table.sorts").first
    values = lambda: [
        float(text) for text in table.locator("tbody tr td:nth-child(2)").all_inner_texts() if text != "–"
    ]
    assert values() != sorted(values())
    head = table.locator("th").nth(1)
    head.locator("button").click()
    assert values() == sorted(values())
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").click()
    assert values() == sorted(values(), reverse=True)


def test_a_tap_on_the_scatter_names_the_record(opened):
    plot = opened.locator("svg.named").first
    says = plot.locator("xpath=..").locator(".says")
    assert EVIL not in says.text_content()
    plot.scroll_into_view_if_needed()
    spot = plot.evaluate(
        "p => { const d = JSON.parse(p.dataset.dots)[7], b = p.getBoundingClientRect(),"
        " s = b.width / p.viewBox.baseVal.width; return [d[0] * s, d[1] * s, d[2]]; }"
    )
    plot.click(position={"x": spot[0], "y": spot[1]})
    assert says.text_content().startswith(f"{EVIL}/")
    plot.focus()
    opened.keyboard.press("Home")
    first = says.text_content()
    opened.keyboard.press("ArrowRight")
    assert EVIL in first and EVIL in says.text_content() != first


def test_the_cursor_of_the_trace_follows_the_video_and_a_click_seeks(opened):
    video, trace = opened.locator(".reel video"), opened.locator("svg.trace").first
    begin = trace.locator(".cursor").get_attribute("x1")
    video.evaluate("v => v.play()")
    sync_api.expect(trace).to_have_attribute("aria-valuenow", re.compile("^([3-9]|[12][0-9])$"), timeout=8000)
    assert trace.locator(".cursor").get_attribute("x1") != begin
    video.evaluate("v => v.pause()")
    box = trace.bounding_box()
    trace.click(position={"x": box["width"] * 0.75, "y": box["height"] / 2})
    left, right = float(trace.get_attribute("data-from")), float(trace.get_attribute("data-to"))
    frame = round((0.75 * 420 - left) / (right - left) * (FRAMES - 1))
    assert video.evaluate("v => v.currentTime") == pytest.approx((frame + 0.5) / 10, abs=0.02)
    assert int(trace.get_attribute("aria-valuenow")) == frame
    assert opened.locator(".reel .now").text_content().startswith(f"frame {frame} · jitter, px ")
    trace.focus()
    opened.keyboard.press("ArrowLeft")
    assert int(trace.get_attribute("aria-valuenow")) == frame - 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_sideways(opened, width, scheme):
    opened.emulate_media(color_scheme=scheme)
    opened.set_viewport_size({"width": width, "height": 780})
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    wide = opened.evaluate(
        "[...document.querySelectorAll('main > section > *, .card > *, .hero > *')].filter("
        "e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.className || e.tagName)"
    )
    assert wide == []
    dark = opened.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)[0] < 128")
    assert dark == (scheme == "dark")
