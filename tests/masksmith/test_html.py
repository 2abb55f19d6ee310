"""Pages of the shared frame: escaped, whole in themselves, the same each time."""

import re

import numpy as np
import pytest

from masksmith import html

EVIL = '</title><script>alert("x")</script>&\''


def picture(seed, size=(30, 40)):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)


def made(number, **given):
    found = (html.Pair(picture(k), picture(k + 1), f"{EVIL}{k}", "b.png", EVIL) for k in range(number))
    return html.pairs(EVIL, EVIL, found, named={EVIL: EVIL}, **given)


def test_every_text_of_a_page_of_pairs_is_escaped():
    text = made(3)
    assert "<script" not in text
    assert text.count("</title>") == 1
    assert html.text(EVIL) in text


def test_a_page_of_pairs_shows_both_pictures_of_each_and_loads_nothing():
    text = made(3, heads=("train", "test"))
    assert len(re.findall(r'src="data:image/(?:webp|jpeg);base64,', text)) == text.count("src=") == 6
    assert "://" not in text and "url(" not in text
    assert "<strong>train</strong>" in text and "<strong>test</strong>" in text


def test_pairs_beyond_the_limit_are_counted_not_shown():
    text = made(5, most=2)
    assert text.count("<figure>") == 4
    assert "2 pairs; 3 more are not shown" in text


def test_the_same_pairs_give_the_same_page():
    assert made(2) == made(2)


def test_only_the_script_that_was_given_may_run():
    bare, scripted = html.page("a", "b"), html.page("a", "b", script="let a = 1;")
    assert "script-src" not in bare and "<script" not in bare
    assert re.search(r"default-src 'none';.*script-src 'sha256-[A-Za-z0-9+/=]+'\"", scripted)
    assert "unsafe-inline'; script" in scripted and "script-src 'unsafe" not in scripted


def test_a_script_that_would_end_its_element_is_refused():
    with pytest.raises(ValueError, match="must not hold </script"):
        html.page("a", "b", script='let a = "</SCRIPT>";')


def test_names_that_are_no_unicode_do_not_break_a_page():
    html.page(html.text("a\udcff\0"), html.table(["\udcff"], [["\0"]])).encode()
