"""The demo in a real browser, with a camera that plays a clip."""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from masksmith import Segmenter
from masksmith.demo import browser, package, server
from masksmith.errors import EnvironmentFault
from masksmith.frames import Video
from tests.masksmith.tiny import brightness

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.browser
SIDE = 192
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def there():
    if not shutil.which("chromium"):
        pytest.skip("no chromium on the path")
    try:
        for kept in package.PACKAGES:
            package.found(kept)
    except EnvironmentFault as fault:
        pytest.skip(str(fault))


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    """A clip as a camera would give it: somebody of the real data where it is there, else a bright disc that moves."""
    folder = Path(os.environ.get("MASKSMITH_DATA", ROOT.parent / "shared" / "data"))
    real = folder / "video" / "clips" / "d10.mp4"
    if real.is_file():
        frames = [frame for frame, _ in zip(Video(real), range(30), strict=False)]
    else:
        rows, columns = np.mgrid[:512, :512]
        discs = [((columns - 150 - 6 * k) ** 2 + (rows - 250) ** 2 < 120**2) for k in range(30)]
        frames = [np.where(disc[..., None], 230, 40).astype(np.uint8).repeat(3, 2) for disc in discs]
    path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    with path.open("wb") as film:
        for frame in frames:
            small = cv2.resize(frame, (640, 480), interpolation=cv2.INTER_AREA)
            film.write(cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    made = [brightness(folder / "plain.onnx", SIDE, prior=False), brightness(folder / "carrying.onnx", SIDE)]
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    from trainers.export import web

    for path in list(made):  # the same networks for the other runtime
        made.append(path.with_suffix(".tflite"))
        made[-1].write_bytes(web.write(onnx.load(path), {}))
    return made


@pytest.fixture(scope="module")
def opened(models, footage):
    """The page with its camera; anything it says to the console or asks of others fails the tests."""
    said, asked = [], []
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with (
        server.Server(server.site(models), port=0).running() as url,
        browser.opened("about:blank", more=[*camera, f"--use-file-for-fake-video-capture={footage}"]) as page,
    ):
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda fault: said.append(str(fault)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        browser.settle(page)
        yield page
    assert said == []
    assert asked
    assert [address for address in asked if not address.startswith((url, "blob:", "data:"))] == []


def chosen(page, number):
    """Choose a network of the list and wait until its masks come."""
    page.evaluate(
        "k => { const all = document.getElementById('model'); all.selectedIndex = k;"
        " all.dispatchEvent(new Event('change')); }",
        number,
    )
    before = page.evaluate("masksmith.figures().frames")
    browser.settle(page, frames=before + 6)


def camera_on(page):
    page.locator('[name="source"][value="camera"]').check(force=True)
    before = page.evaluate("masksmith.figures().frames")
    browser.settle(page, frames=before + 4)
    assert page.inner_text("#note").find("No camera") < 0, page.inner_text("#note")


@pytest.mark.parametrize("number", [0, 2])
def test_the_mask_of_a_camera_frame_is_that_of_python_in_both_runtimes(opened, models, number):
    chosen(opened, number)
    camera_on(opened)
    found = opened.evaluate("masksmith.snapshot()")
    png = np.frombuffer(base64.b64decode(found["png"]), np.uint8)
    frame = cv2.cvtColor(cv2.imdecode(png, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert frame.shape == (480, 640, 3)
    assert frame.std() > 10
    page = np.array(found["levels"], np.float32).reshape(found["height"], found["width"]) / 255
    python = cv2.resize(Segmenter(models[number], sharp=False)(frame), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    ours, theirs = page >= 0.5, python >= 0.5
    assert 0.05 < theirs.mean() < 0.95
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.98
    browser.settle(opened, frames=opened.evaluate("masksmith.figures().frames") + 3)  # it counts the last two seconds
    figures = opened.evaluate("masksmith.figures()")
    assert figures["fps"] > 0 and figures["run_ms"] > 0


def test_every_effect_changes_what_is_seen_and_keys_choose_it(opened):
    opened.locator("#pause").click()
    opened.locator("#pause").click()
    seen = []
    for key in "123456":
        opened.locator("h1").click()
        opened.keyboard.press(key)
        before = opened.evaluate("masksmith.figures().frames")
        browser.settle(opened, frames=before + 2)
        opened.evaluate("document.getElementById('pause').click()")
        seen.append(opened.locator("#stage").screenshot())
        opened.evaluate("document.getElementById('pause').click()")
    assert len(set(seen)) == 6
    assert opened.locator('[name="effect"][value="none"]').is_checked()


@pytest.mark.parametrize("number", [1, 3])
def test_the_prior_is_handed_on_only_when_it_is_asked_for(opened, number):
    chosen(opened, number - 1)
    assert opened.locator("#prior").is_disabled()
    chosen(opened, number)
    assert opened.locator("#prior").is_checked() and not opened.locator("#prior").is_disabled()
    levels = {}
    for on in (True, False):
        before = opened.evaluate("masksmith.figures().frames")
        browser.settle(opened, frames=before + 8)
        levels[on] = float(np.mean(opened.evaluate("masksmith.snapshot()")["levels"]))
        opened.locator("h1").click()
        opened.keyboard.press("p")
    assert levels[True] > 1.6 * levels[False]  # half of the level comes from the masks before


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_sideways(opened, width):
    opened.set_viewport_size({"width": width, "height": 780})
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    small = opened.evaluate(
        "[...document.querySelectorAll('.choices span, button')]"
        ".filter(e => e.getBoundingClientRect().height < 36).length"
    )
    assert small == 0


def test_bench_web_prints_the_page_beside_the_runtime_outside(models):
    line = [
        sys.executable,
        "-m",
        "masksmith",
        "bench",
        "web",
        str(models[3]),
        "--runs",
        "20",
        "--warm-up",
        "5",
        "--json",
    ]
    done = subprocess.run([*line, "--fail-under", "1000000"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1, done.stderr
    assert "fewer than 1e+06" in done.stderr
    page, alone, outside = json.loads(done.stdout)["rows"]
    assert [row["runtime"] for row in (page, alone, outside)] == ["web page", "web run", "litert"]
    assert page["fps"] > 0 and page["median_ms"] > alone["median_ms"] > 0
    assert page["ratio_to_native"] == pytest.approx(outside["median_ms"] / page["median_ms"])
    assert page["cpu_ms"] > 0
