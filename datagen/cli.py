"""``masksmith generate`` and ``scene``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click

from datagen import asked
from masksmith import console, options
from masksmith.errors import BadInput, UsageProblem, unknown_choice


def _labels(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Callback for ``--labels``: in the order in which they are written, each once."""
    if not value:
        return ()
    from datagen.labels import KINDS

    wanted = {word.strip() for word in value.split(",") if word.strip()}
    for word in sorted(wanted - {"all", *KINDS}):
        raise unknown_choice("label", word, ("all", *KINDS))
    return KINDS if "all" in wanted else tuple(kind for kind in KINDS if kind in wanted)


@click.command()
@asked.sources
@click.option(
    "--preset",
    is_eager=True,
    callback=asked.preset,
    help="A paper's dataset (demborg2018), or a TOML file of these options; what is typed wins.",
)
@click.option("--out", required=True, help="Folder of the new dataset, or an object store: s3://bucket/prefix.")
@click.option(
    "--work",
    "workplace",
    type=click.Path(path_type=Path),
    help="For an --out in an object store: local folder that keeps the cutouts between runs.",
)
@click.option("--shards", type=click.Choice(["webdataset"]), help="Tar shards instead of files.")
@click.option("--shard-scenes", type=click.IntRange(min=1), help="Scenes a shard, with --shards [default: 1000].")
@click.option("--count", type=click.IntRange(min=1), default=1000, show_default=True, help="Number of scenes.")
@click.option(
    "--size", type=click.IntRange(32, 2048), default=256, show_default=True, help="Side of a scene in pixels."
)
@click.option("--views", type=click.IntRange(1, 200), default=8, show_default=True, help="Cutouts a foot.")
@click.option(
    "--scanner", is_flag=True, help="Photograph feet with the four fixed cameras of a scanner, not with phones."
)
@click.option(
    "--varied",
    is_flag=True,
    help="What varies between photos: poses, soles, socks, shoes, trousers, nail polish, things, cloth, rugs, tints.",
)
@click.option("--plain", is_flag=True, help="Crop, blend and shadow only: no change of light, blur, noise or tone.")
@click.option(
    "--no-shadow", is_flag=True, help="With --plain: no shadow either, the bare paste to compare others with."
)
@click.option(
    "--labels",
    callback=_labels,
    help="Written beside picture and mask: all, or some of alpha,instances,parts,depth,normals,camera.",
)
@click.option("--clothes-classes", is_flag=True, help="Socks and shoes are classes of the mask, 2 and 3.")
@options.seed_option
@options.engine_options
@options.dry_run_option
@options.json_option
def generate(
    scan_specs: tuple[str, ...],
    floor_specs: tuple[str, ...],
    preset: str | None,
    out: str,
    workplace: Path | None,
    shards: str | None,
    shard_scenes: int | None,
    count: int,
    size: int,
    views: int,
    scanner: bool,
    skin: float | None,
    varied: bool,
    plain: bool,
    no_shadow: bool,
    labels: tuple[str, ...],
    clothes_classes: bool,
    shares: dict[str, float] | None,
    seed: int,
    engine: str,
    workers: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make scenes of feet on floors, with masks and a manifest.

    Feet and floors are dealt to splits first and paired inside them, so no foot and no floor is in two splits.
    The same seed and inputs give the same bytes, whatever the engine. Run it again after a stop and it goes on.

    \b
    Example:
      masksmith generate --scans scans --floors floors --out feet --count 3000 --seed 1
      masksmith generate --scans parametric:60 --floors procedural:12 --out feet --count 1500
      masksmith generate --preset demborg2018 --scans rig-feet --floors floors --out demborg
      masksmith generate --scans scans --floors floors --out s3://data/feet --work work --shards webdataset
    """
    from datagen import generate as making
    from datagen import plan as planning
    from datagen import rigs, tars
    from datagen.labels import FROM_LAYERS
    from datagen.rigs import Rig
    from datagen.scenes import VARIED, Style
    from masksmith import engine as engines

    if varied and plain:
        raise UsageProblem("--varied and --plain are opposites: use one of them")
    if no_shadow and not plain:
        raise UsageProblem("--no-shadow goes with --plain")
    if shard_scenes and not shards:
        raise UsageProblem("--shard-scenes goes with --shards")
    folder, url = asked.place(out, workplace)
    canvas = max(64, round(size * 1.75))
    style = Style(size=size, effects=not plain, shadow=not no_shadow)
    rig = Rig(views=views, canvas=canvas, scanner=scanner, skin=skin)
    if varied:
        style = replace(VARIED, size=size)
        rig = rigs.varied(rig)
    style = replace(style, labels=labels, clothes=clothes_classes)
    rig = replace(rig, layers=clothes_classes or not FROM_LAYERS.isdisjoint(labels))
    work = planning.plan(
        scans=scan_specs,
        floor_spec=floor_specs,
        out=folder,
        url=url,
        tar_scenes=(shard_scenes or tars.SCENES) if shards else 0,
        count=count,
        seed=seed,
        rig=rig,
        style=style,
        shares=shares,
        command="generate"
        + (f" --preset {preset}" if preset else "")
        + f" --count {count} --size {size} --views {views} --seed {seed}"
        + (" --scanner" if scanner else "")
        + (" --varied" if varied else "")
        + (" --plain" if plain else "")
        + (" --no-shadow" if no_shadow else "")
        + (f" --skin {skin:g}" if skin is not None else "")
        + (f" --labels {','.join(labels)}" if labels else "")
        + (" --clothes-classes" if clothes_classes else "")
        + (f" --shards {shards}" if shards else "")
        + (f" --shard-scenes {shard_scenes}" if shard_scenes else ""),
    )
    for text in work.warnings:
        console.warn(text)
    summary = planning.summary(work)
    if not as_json:
        columns = ("split", "scenes", "subjects", "floors")
        console.table(
            console.counted(count, "scene") + (" (dry run: nothing is written)" if dry_run else ""),
            columns,
            [[name, row["scenes"], row["subjects"], row["floors"]] for name, row in summary["splits"].items()],
        )
    if not dry_run:
        making.generate(work, engines.get(engine, workers))
    if as_json:
        console.emit_json({**summary, "out": str(out), "dry_run": dry_run})
    elif not dry_run:
        console.say(f"{out}: {console.counted(count, 'scene')}")


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="The dataset that holds the scene's cutouts.")
@click.option("--id", "record_id", help="Take the recipe of this record; RECIPE is then the dataset itself.")
@click.option(
    "--floors", "floor_specs", multiple=True, help="Where its floor is: the same --floors as when it was made."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for image and mask.")
@options.dry_run_option
@options.json_option
def scene(
    recipe: Path,
    data: Path | None,
    record_id: str | None,
    floor_specs: tuple[str, ...],
    out: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make one scene again from its recipe.

    RECIPE is a JSON file, or with --id the dataset.

    \b
    Example:
      masksmith scene recipe.json --data feet --floors floors --out again
      masksmith scene feet --id 000017 --floors floors --out again
    """
    from datagen import generate as making
    from manifests import Manifest

    if record_id is not None:
        data = recipe
        wanted = [r for r in Manifest.open(data).records() if r.id == record_id]
        if not wanted or wanted[0].recipe is None:
            raise BadInput(data, f"a record {record_id!r} with a recipe", "none", "see `masksmith manifest show`")
        value = json.loads(wanted[0].recipe)
    else:
        if data is None:
            raise UsageProblem("--data is needed to find the scene's cutouts")
        try:
            value = json.loads(recipe.read_text())
        except (OSError, ValueError) as fault:
            raise BadInput(recipe, "a recipe (JSON)", f"{fault}", "copy the recipe column of a record") from None
    written = making.again(value, data, floor_specs, out, dry_run)
    if as_json:
        console.emit_json(written)
    else:
        console.say(f"{written['image']}  sha256 {written['sha256_image']}")
        console.say(f"{written['mask']}  sha256 {written['sha256_mask']}")
