"""Pages that need nothing else: escaped text, one style, pictures as ``data:`` URIs, a policy against requests."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from masksmith import __version__
from masksmith.console import counted
from masksmith.images import Image

_LOSSLESS = 101  # a WebP quality above 100

CSS = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1e2227; --soft: #565e67; --faint: #6f7780; --rule: #e4e1da;
  --accent: #0f766e; --tint: #0f766e1f; --mark: #b4531a;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --card: #1b1f23; --ink: #e8e6e1; --soft: #a9b1ba; --faint: #8d959e; --rule: #2c3137;
    --accent: #4fd1b8; --tint: #4fd1b824; --mark: #f0a36b;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 1120px; margin: 0 auto; padding: 40px 28px 72px; }
h1, h2, .figure { font-family: ui-serif, "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, serif; }
h1 { font-size: 29px; line-height: 1.2; font-weight: 500; margin: 4px 0 0; letter-spacing: -.01em; }
h2 { font-size: 21px; font-weight: 500; margin: 56px 0 4px; letter-spacing: -.005em; }
h1, h2, h3, figcaption, dd, p, td:first-child { overflow-wrap: anywhere; }
p { margin: 0 0 12px; max-width: 68ch; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
.kicker { font-size: 13px; color: var(--soft); letter-spacing: .04em; margin: 0; }
.lead { color: var(--soft); font-size: 14.5px; margin-bottom: 16px; }
.notice {
  border-left: 3px solid var(--mark); background: var(--card); padding: 10px 16px; margin: 20px 0 0; font-size: 14.5px;
  max-width: none;
}
.card {
  background: var(--card); border: 1px solid var(--rule);
  border-radius: 10px; padding: 16px 16px 10px; min-width: 0;
}
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; }
th, td {
  text-align: right; white-space: nowrap; padding: 7px 0 7px 16px;
  border-bottom: 1px solid var(--rule); vertical-align: middle;
}
th:first-child, td:first-child { text-align: left; white-space: normal; padding-left: 0; }
thead th { color: var(--soft); font-weight: 500; font-size: 13px; vertical-align: bottom; }
code { font: 13.5px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
figure { margin: 0; min-width: 0; }
figure img { display: block; width: 100%; height: auto; border-radius: 6px; background: #1e2126; }
figcaption { font-size: 12.5px; color: var(--soft); margin-top: 6px; line-height: 1.4; }
dl {
  display: grid; grid-template-columns: max-content minmax(0, 1fr);
  gap: 6px 24px; font-size: 14.5px; margin: 12px 0 0;
}
dt { color: var(--soft); } dd { margin: 0; }
footer {
  margin-top: 64px; border-top: 1px solid var(--rule);
  padding-top: 14px; color: var(--faint); font-size: 13px;
}
.pair { margin: 20px 0 0; padding-bottom: 12px; }
.pair > div { display: grid; grid-template-columns: 1fr 1fr; gap: 10px; }
.pair > p { margin: 10px 0 0; font-size: 14.5px; max-width: none; }
@media (max-width: 560px) {
  main { padding: 22px 16px 48px; }
  h1 { font-size: 23px; } h2 { margin-top: 44px; }
  th, td { padding-left: 10px; }
  table { font-size: 14px; }
  td:first-child { min-width: 96px; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 10px; }
}
@media print {
  :root { color-scheme: light; }
  .card, figure, tr { break-inside: avoid; }
  body { background: #fff; color: #000; }
}
"""
"""The look that all pages share, light and dark, from a telephone to a wide screen."""


@dataclass(frozen=True)
class Pair:
    """Two pictures to look at side by side.

    Attributes:
        left, right: (H, W, 3) uint8 RGB.
        left_name, right_name: what each is, for example its path.
        note: why they stand together.
    """

    left: Image
    right: Image
    left_name: str
    right_name: str
    note: str = ""


def page(title: str, body: str, *, css: str = "", script: str = "") -> str:
    """A whole page as text: ``body`` inside the shared frame, with a policy that lets it load nothing.

    Args:
        title: plain text; it is escaped here.
        body: markup whose texts went through :func:`text`.
        css: rules after the shared ones.
        script: the only script that may run (its digest is in the policy); plain JavaScript without ``</script``.

    Raises:
        ValueError: ``script`` or ``css`` would end its own element.
    """
    for name, given in (("script", script), ("style", css)):
        if f"</{name}" in given.lower():
            raise ValueError(f"a {name} must not hold </{name}")
    policy = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{CSS}{css}</style>\n</head>\n<body>\n"
        f"<main>\n{body}\n<footer>Made by masksmith {__version__}. "
        "This page is whole in itself and loads nothing.</footer>\n</main>\n"
        + (f"<script>{script}</script>\n" if script else "")
        + "</body>\n</html>\n"
    )


def text(value: Any) -> str:
    """Any value as text for markup: ``& < > " '`` escaped, and what no page can hold shown as a question mark."""
    return escape(str(value).encode("utf-8", "replace").decode().replace("\0", "?"))


def number(value: Any, digits: int = 4) -> str:
    """A figure as text; a dash where it is undefined."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def table(columns: Sequence[Any], rows: Iterable[Sequence[Any]], *, kind: str = "") -> str:
    """A table of escaped cells that scrolls sideways on its own where it is too wide."""
    head = "".join(f'<th scope="col">{text(column)}</th>' for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    named = f' class="{text(kind)}"' if kind else ""
    return f'<div class="wide"><table{named}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def facts(named: Mapping[str, Any]) -> str:
    """Names and what they are, as a list of two columns."""
    return "<dl>" + "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in named.items()) + "</dl>"


def data_uri(image: Image, width: int, quality: int = 72) -> str:
    """A ``data:`` URI of an RGB picture, shrunk to ``width`` pixels: WebP, or JPEG where OpenCV has no WebP.

    Raises:
        ValueError: the array is no picture.
    """
    width = max(1, width)
    if image.shape[1] > width:
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    found = _encoded(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality, (".webp", ".jpg"))
    if found is None:
        raise ValueError(f"a picture of shape {image.shape} cannot be encoded")
    return found


def overlay_uri(values: npt.NDArray[np.uint8]) -> str:
    """A ``data:`` URI of (H, W, 4) uint8 RGBA, to lie over a picture: lossless WebP, or PNG where OpenCV has none.

    Raises:
        ValueError: the array is no picture.
    """
    found = _encoded(cv2.cvtColor(values, cv2.COLOR_RGBA2BGRA), _LOSSLESS, (".webp", ".png"))
    if found is None:
        raise ValueError(f"a picture of shape {values.shape} cannot be encoded")
    return found


def _encoded(ordered: npt.NDArray[Any], quality: int, suffixes: Sequence[str]) -> str | None:
    for suffix in suffixes:
        kind, options = {
            ".webp": ("webp", [cv2.IMWRITE_WEBP_QUALITY, quality]),
            ".jpg": ("jpeg", [cv2.IMWRITE_JPEG_QUALITY, quality]),
            ".png": ("png", [cv2.IMWRITE_PNG_COMPRESSION, 9]),
        }[suffix]
        try:
            done, buffer = cv2.imencode(suffix, ordered, options)
        except cv2.error:
            continue
        if done:
            return f"data:image/{kind};base64,{base64.b64encode(buffer.tobytes()).decode()}"
    return None


def pairs(
    title: str,
    lead: str,
    found: Iterable[Pair],
    *,
    heads: tuple[str, str] = ("left", "right"),
    named: Mapping[str, Any] | None = None,
    width: int = 420,
    most: int = 200,
) -> str:
    """A page of pictures side by side, for example what looks alike in two splits.

    Args:
        title, lead: what this is, as plain text.
        found: the pairs, taken one at a time; those beyond ``most`` are counted, not shown.
        heads: what the two sides are, for example ``("train", "test")``.
        named: facts for the foot of the page.
        width: of a picture in pixels.
    """
    blocks: list[str] = []
    left_out = 0
    for pair in found:
        if len(blocks) == most:
            left_out += 1
            continue
        shots = "".join(
            f'<figure><img loading="lazy" src="{data_uri(image, width)}" alt="{text(name)}">'
            f"<figcaption><strong>{text(head)}</strong> {text(name)}</figcaption></figure>"
            for image, name, head in (
                (pair.left, pair.left_name, heads[0]),
                (pair.right, pair.right_name, heads[1]),
            )
        )
        note = f"<p>{text(pair.note)}</p>" if pair.note else ""
        blocks.append(f'<section class="card pair"><div>{shots}</div>{note}</section>')
    more = f"; {left_out:,} more are not shown" if left_out else ""
    said = f"{counted(len(blocks), 'pair')}{more}" if blocks else "No pairs"
    body = (
        f'<header><p class="kicker">{said}</p><h1>{text(title)}</h1><p class="lead">{text(lead)}</p></header>'
        + "".join(blocks)
        + (f"<section><h2>Where this comes from</h2>{facts(named)}</section>" if named else "")
    )
    return page(title, body)
