"""The report: whole in itself, escaped, small, and the same for the same counts."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from evaluation import pictures, region, report, temporal
from evaluation.counts import CountsBuilder, count_image
from masksmith.errors import UsageProblem

EVIL = '<script>alert("x")</script>&"\''


class Page(HTMLParser):
    """Collects tags, attributes and visible text."""

    VOID = frozenset({"meta", "img", "br", "path", "circle", "rect"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def disc(x, size=40):
    rows, columns = np.mgrid[:size, :size]
    return ((columns - x) ** 2 + (rows - 20) ** 2 < 120).astype(np.uint8)


def counts_and_samples(number=12):
    builder = CountsBuilder((0, 1), {"classes": {"background": 0, EVIL: 1}})
    samples = []
    for k in range(number):
        pred, truth = disc(20 + k), disc(20)
        builder.add(
            f"{EVIL}{k}",
            count_image(pred, truth),
            subject=f"{EVIL} {k // 3}",
            **{"group.floor": [EVIL, f"oak {k % 2}"]},
        )
        image = np.random.default_rng(k).integers(0, 255, (40, 40, 3), dtype=np.uint8)
        samples.append(pictures.Sample(f"{EVIL}{k}", k / number, image if k % 2 else None, pred, truth, EVIL))
    return builder.build(), samples


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    counts, samples = counts_and_samples()
    time = temporal.summarise([temporal.ClipFigures(EVIL, 3, 2, 0, 0, 0.1, 0.05, 0.05, 2.0)])
    made = report.document(counts, title=EVIL, facts={EVIL: EVIL}, notes=[EVIL], time=time)
    drawn = [pictures.draw(sample) for sample in samples]
    ranked = {"worst": drawn[:3], "median": drawn[3:6], "best": drawn[6:9]}
    wall = [pictures.draw(sample, panels=False) for sample in samples]
    paths = report.write(folder, made, counts, ranked=ranked, wall=wall)
    return counts, made, paths


def test_the_page_loads_nothing_from_anywhere(written):
    text = written[2]["html"].read_text()
    assert "http://" not in text and "https://" not in text
    page = Page(text)
    assert page.tags.count("script") == 1
    assert not {"link", "iframe", "object", "embed", "base"} & set(page.tags)
    loads = [value for name, value in page.attributes if name in ("src", "href", "srcset", "action", "data", "poster")]
    assert len(loads) == 9 * 3 + 4 + 12  # layers, photos, small pictures
    assert all(re.fullmatch(r"data:image/(webp|jpeg|png);base64,[A-Za-z0-9+/=]+", value) for value in loads)
    assert "url(" not in text and "@import" not in text


def test_names_are_escaped_everywhere(written):
    text = written[2]["html"].read_text()
    page = Page(text)  # raises where a tag is left open or closed twice
    assert page.open == []
    assert text.count("<script") == 1
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert sum(EVIL in shown for shown in page.texts) >= 9 + 4 + 2 + 3


def test_the_page_names_headline_interval_and_convention(written):
    counts, made, paths = written
    shown = " ".join(Page(paths["html"].read_text()).texts)
    value = region.reduce(counts).values["iou_fg_image"]
    low, high = made["intervals"]["values"]["iou_fg_image"]
    assert f"{value:.3f}" in shown
    assert "IoU of the foreground, mean over images" in shown
    assert f"95 % interval {low:.3f} to {high:.3f}, resampling 4 subjects" in shown


def test_report_json_holds_the_figures_under_their_names(written):
    counts, _, paths = written
    told = json.loads(paths["json"].read_text())
    found = region.reduce(counts)
    assert {name: told[name] for name in found.values} == pytest.approx(found.values)
    assert told["map_at_x"]["0.9"] == found.map_at_x[0.9]
    assert (told["flicker"], told["dtssd"], told["images"]) == (0.1, 2.0, 12)
    assert [row["value"] for row in told["slices"]["floor"]] == [EVIL, "oak 0", "oak 1"]
    assert told["digest"] == counts.digest()


def test_the_same_counts_give_the_same_bytes(written, tmp_path):
    counts, made, paths = written
    again = report.write(tmp_path, report.document(counts, title=made["title"]), counts)
    twice = report.write(tmp_path / "b", report.document(counts, title=made["title"]), counts)
    for kind in ("html", "json", "counts"):
        assert again[kind].read_bytes() == twice[kind].read_bytes()
    assert paths["counts"].read_bytes() == again["counts"].read_bytes()


def test_a_page_that_would_be_too_large_goes_without_pictures(written, tmp_path, monkeypatch):
    counts, made, _ = written
    sample = pictures.draw(counts_and_samples(1)[1][0])
    monkeypatch.setattr(report, "MOST_BYTES", 1000)
    paths = report.write(tmp_path, made, counts, wall=[sample] * 4)
    assert "img" not in Page(paths["html"].read_text()).tags


def test_one_image_alone_makes_a_report_without_interval(tmp_path):
    counts, _ = counts_and_samples(1)
    made = report.document(counts)
    assert made["headline"]["interval"] is None
    paths = report.write(tmp_path, made, counts)
    assert "it takes at least 2 subjects" in " ".join(Page(paths["html"].read_text()).texts)


def test_undefined_figures_are_null_and_a_dash(tmp_path):
    builder = CountsBuilder()
    empty = np.zeros((4, 4), np.uint8)
    for name in "ab":
        builder.add(name, count_image(empty, empty))
    counts = builder.build()
    made = report.document(counts, empty="skip")
    assert made["iou_fg_image"] is None
    assert made["undefined"]["foreground_images"] == 2
    page = Page(report.write(tmp_path, made, counts)["html"].read_text())
    assert "–" in page.texts
    assert any("2 times a class was absent" in text and "left out" in text for text in page.texts)
    json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)


def test_an_unknown_headline_is_refused():
    with pytest.raises(UsageProblem, match="Did you mean 'miou_image'"):
        report.document(counts_and_samples(2)[0], headline="miou_images")


def test_errors_are_painted_where_they_are():
    pred, truth = np.zeros((1, 5), np.uint8), np.zeros((1, 5), np.uint8)
    pred[0], truth[0] = (1, 1, 0, 0, 2), (1, 0, 1, 255, 1)
    shown = pictures.errors(None, pred, truth).astype(int)
    order = ("right", "extra", "missed", "ignored", "other")
    for column, fate in enumerate(order):
        distance = {name: np.abs(shown[0, column] - colour).sum() for name, (colour, _) in pictures.COLOURS.items()}
        assert min(distance, key=distance.get) == fate


def test_worst_median_and_best_do_not_overlap_and_leave_undefined_out():
    iou = np.array([0.5, np.nan, 0.1, 0.9, 0.7, 0.3, 0.8, 0.2, 0.6, 0.4])
    chosen = pictures.choose(iou, 2)
    assert chosen == {"worst": [2, 7], "median": [9, 0], "best": [3, 6]}
    assert pictures.choose([0.5], 4) == {"worst": [0], "median": [], "best": []}
