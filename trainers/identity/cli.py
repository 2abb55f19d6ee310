"""``masksmith identity``: who is who in photos and videos."""

from __future__ import annotations

from pathlib import Path

import click

from masksmith import console, options
from trainers.identity import asked
from trainers.identity.people_cli import cluster, tracks


@click.group()
def identity() -> None:
    """Train, test and use a face network: who is who, for splits without leaks.

    \b
    Example:
      masksmith identity train --data faces --out run
      masksmith identity cluster --weights run --data portraits --out portraits-with-subjects
    """


@identity.command()
@asked.data_option
@asked.split_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@click.option(
    "--preset",
    default="fewfaces",
    show_default=True,
    help="Settings to begin with: fewfaces for a few dozen people, fastfacenet2021 for thousands.",
)
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated.")
@options.seed_option
@options.dry_run_option
@options.json_option
def train(
    data: Path,
    split: str | None,
    out: Path,
    preset: str,
    changes: tuple[str, ...],
    seed: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Train a face network on photos of people.

    A run that was stopped goes on when the same command is given again; on one thread (--set threads=1) the same seed
    gives the same weights. Photos without a face are listed and left out.

    \b
    Example:
      masksmith identity train --data faces --out run
      masksmith identity train --data vggface2 --split train --out run --preset fastfacenet2021 --set width=0.25
    """
    from trainers.identity.photos import check_trainable, open_photos
    from trainers.identity.settings import load_settings

    settings = load_settings(preset, _changes(changes, seed))
    photos = check_trainable(open_photos(data, split=split))
    people = len(photos.names)
    by_steps = settings.network == "facenet_mobile"
    if dry_run:
        told = {"people": people, "photos": len(photos), "settings": settings.as_json(), "out": str(out)}
        if as_json:
            console.emit_json(told)
        else:
            how = f"{settings.steps:,} steps of {settings.batch}" if by_steps else "in closed form"
            console.say(
                f"would train {settings.network} (width {settings.width:g}) on {len(photos):,} photos of {people} "
                f"people, {how}, into {out}"
            )
        return
    from trainers.identity.gather import gather
    from trainers.identity.train import train_faces

    gathered = gather(photos, settings.size, settings.crop)
    asked.tell_left_out(gathered)
    photos = check_trainable(gathered.photos, what="with a face that was found")
    rows = [k for k, name in enumerate(gathered.photos.ids) if name in set(photos.ids)]
    from trainers.identity.drawing import Faces

    faces = Faces(gathered.crops[rows], photos.labels())
    with console.progress("training", settings.steps if by_steps else len(photos)) as advance:
        if by_steps:
            result = train_faces(faces, photos, settings, out, lambda step, mined: advance(1))
        else:
            from trainers.identity.closed import fit_faces

            result = fit_faces(faces, photos, settings, out, advance)
    if as_json:
        console.emit_json({**result.as_json(), **asked.left_out(gathered)})
        return
    done = f"{result.steps:,} steps on" if by_steps else "fitted to"
    whom = "people held out in turn" if result.held_out else "the training people"
    console.say(
        f"{done} {result.photos:,} photos of {result.people} people in {result.seconds:.0f} s; the "
        f"same person below {result.threshold:.3f} ({settings.distance}); on {whom} F1 "
        f"{result.train.f1:.3f}; weights in {out}"
    )


@identity.command()
@asked.weights_option
@click.option("--photos", required=True, type=click.Path(path_type=Path), help="Folder of LFW: Name/Name_0001.jpg.")
@click.option("--pairs", required=True, type=click.Path(path_type=Path), help="The official pairs.txt.")
@asked.crop_option
@click.option(
    "--distance",
    type=click.Choice(["euclidean", "squared"]),
    default="euclidean",
    show_default=True,
    help="Between embeddings; squared is FaceNet's L2.",
)
@click.option("--fail-under", type=float, help="Exit with code 1 where the mean accuracy is below this.")
@options.json_option
def verify(
    weights: Path | None,
    photos: Path,
    pairs: Path,
    crop: str | None,
    distance: str,
    fail_under: float | None,
    as_json: bool,
) -> None:
    """Test a face network by the protocol of LFW.

    Ten folds; each is judged with the threshold that is best on the other nine. Missing photos and photos without a
    face are listed, and their pairs left out.

    \b
    Example:
      masksmith identity verify --weights run --photos lfw --pairs pairs.txt --json
    """
    from masksmith.errors import CheckFailed
    from trainers.identity import protocol
    from trainers.identity.embed import embedder
    from trainers.identity.gather import gather
    from trainers.identity.photos import Photos

    listed = protocol.read_pairs(pairs)
    found, missing = protocol.find_photos(photos, listed)
    network = embedder(weights)
    keys = {protocol.photo_name(*key): key for key in found}
    opened = Photos(photos, tuple(keys), tuple(found[key] for key in keys.values()), tuple(k for k, _ in found))
    gathered = gather(opened, network.size, crop or network.crop)
    points = network.of_crops(gathered.crops)
    by_photo = {keys[name]: points[k] for k, name in enumerate(gathered.photos.ids)}
    figures = protocol.verify(listed, by_photo, distance, photos)
    if missing:
        console.warn(f"{len(missing)} photos are missing: {asked.some(missing)}")
    asked.tell_left_out(gathered)
    if as_json:
        console.emit_json(
            {**figures.as_json(), "distance": distance, "missing": list(missing), **asked.left_out(gathered)}
        )
    else:
        console.table(
            "",
            ("figure", "value"),
            [
                ("accuracy", f"{figures.accuracy:.4f} ± {figures.accuracy_std:.4f}"),
                ("best threshold", f"{figures.threshold:.3f}"),
                ("AUC", f"{figures.auc:.4f}"),
                ("VAL@FAR=1e-3", f"{figures.val:.4f} ± {figures.val_std:.4f} (FAR {figures.far:.5f})"),
                ("pairs", f"{figures.pairs:,} judged, {figures.left_out:,} left out"),
            ],
        )
    if fail_under is not None and figures.accuracy < fail_under:
        raise CheckFailed(f"accuracy {figures.accuracy:.4f} is below {fail_under:g}")


@identity.command()
@asked.weights_option
@asked.data_option
@asked.split_option
@asked.crop_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The .npz file to write.")
@options.dry_run_option
@options.json_option
def embed(
    weights: Path | None,
    data: Path,
    split: str | None,
    crop: str | None,
    out: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write the embeddings of faces: 128 numbers each.

    The file holds `ids` (N), `points` (N, 128) of length 1 and `people` (N, empty where not known).

    \b
    Example:
      masksmith identity embed --weights run --data faces --out faces.npz
    """
    import io

    import numpy as np

    from masksmith import files
    from trainers.identity.gather import gather
    from trainers.identity.photos import open_photos

    network = asked.network(weights)
    photos = open_photos(data, split=split)
    if dry_run:
        told = {"photos": len(photos), "out": str(out)}
        console.emit_json(told) if as_json else console.say(f"would embed {len(photos):,} photos into {out}")
        return
    gathered = gather(photos, network.size, crop or network.crop)
    asked.tell_left_out(gathered)
    points = network.of_crops(gathered.crops)
    buffer = io.BytesIO()
    people = [name or "" for name in gathered.photos.people]
    np.savez(buffer, ids=np.array(gathered.photos.ids), points=points, people=np.array(people))
    files.write_bytes(out, buffer.getvalue())
    if as_json:
        console.emit_json({"faces": len(points), "out": str(out), **asked.left_out(gathered)})
    else:
        console.say(f"{len(points):,} embeddings in {out}")


def _changes(changes: tuple[str, ...], seed: int) -> dict[str, str]:
    return options.with_own(options.settings(changes), {"seed": options.typed_seed(seed)})


identity.add_command(cluster)
identity.add_command(tracks)
