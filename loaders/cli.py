"""Commands about what a network is fed with."""

from __future__ import annotations

from pathlib import Path

import click

from masksmith import options


@click.command()
@click.argument("dataset", metavar="D", type=click.Path(path_type=Path))
@click.option("--preview", type=click.Path(path_type=Path, dir_okay=False), help="Contact sheet to write (PNG).")
@click.option("--count", type=click.IntRange(min=1), default=24, show_default=True, help="Samples to look at.")
@click.option("--mix", default="paper", show_default=True, help="Mix of kinds: paper, empty30 or data.")
@click.option("--split", default="train", show_default=True, help="Split to take samples from; 'all' for every one.")
@click.option("--size", type=click.IntRange(min=16), default=224, show_default=True, help="Working size in pixels.")
@click.option(
    "--foreground", callback=options.names, metavar="NAMES", help="Foreground classes; default: all but background."
)
@options.seed_option
@options.dry_run_option
@options.json_option
def priors(
    dataset: Path,
    preview: Path | None,
    count: int,
    mix: str,
    split: str,
    size: int,
    foreground: tuple[str, ...],
    seed: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Preview the simulated previous-frame masks.

    Shows how often each kind is drawn, how far its pixels move and how much of the truth it still covers. On the
    sheet the truth's outline lies over every prior. There is no network here, so the kind "self" shows its stand-in,
    a small warp.

    \b
    Example:
      masksmith priors feet --preview priors.png
      masksmith priors feet --mix empty30 --count 100 --json
    """
    from loaders import preview as drawing
    from loaders.priors import find_mix
    from loaders.samples import Samples
    from manifests import Manifest
    from masksmith import console, files, images, seeds
    from masksmith.errors import UsageProblem

    if preview is not None and preview.suffix.lower() != ".png":
        raise UsageProblem(f"--preview {preview}: the sheet is a PNG; give a name that ends in .png")
    chosen = find_mix(mix)
    manifest = Manifest.open(dataset)
    samples = Samples(
        manifest,
        None if split == "all" else split,
        size=(size, size),
        mix=mix,
        seed=seed,
        foreground=foreground or None,
    )
    rows = []
    shown = min(count, len(samples))
    chosen_records = seeds.rng(seed, "preview").permutation(len(samples))[:shown]
    with console.progress("priors", shown) as advance:
        for index in map(int, chosen_records):
            image, target = samples.pair(index)
            rng = seeds.rng(seed, "preview", index)
            rows.append(drawing.make_row(samples.id(index), image, samples.table.solid(target), rng))
            advance(1)
    figures = drawing.figures(rows, chosen, seed)
    if preview is not None and not dry_run:
        files.write_bytes(preview, images.encode_png(drawing.sheet(rows)))
    if as_json:
        console.emit_json(
            {
                "dataset": str(dataset),
                "mix": mix,
                "split": split,
                "size": [size, size],
                "seed": seed,
                "samples": shown,
                "draws": drawing.DRAWS,
                "self": "small warp, no network given",
                "preview": None if preview is None or dry_run else str(preview),
                "kinds": figures,
            }
        )
        return
    console.table(
        f"priors of {dataset}, mix {mix}, {shown} samples at {size} x {size}",
        ["kind", "wanted", "drawn", "moved px (mean)", "least", "most", "IoU (mean)", "lowest", "highest"],
        [
            [
                row["kind"],
                f"{row['wanted']:.3f}",
                f"{row['share']:.3f}",
                f"{row['displacement_px']:.2f}",
                *(f"{value:.2f}" for value in row["displacement_range_px"]),
                f"{row['iou']:.3f}",
                *(f"{value:.3f}" for value in row["iou_range"]),
            ]
            for row in figures
        ],
    )
    console.note("self: no network here, a small warp stands in; training fills in the network's own answer")
    if preview is not None:
        console.note(f"would write {preview}" if dry_run else f"wrote {preview}")
