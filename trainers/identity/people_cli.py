"""``masksmith identity cluster`` and ``tracks``: from faces to people."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from masksmith import console, options
from masksmith.errors import BadInput, UsageProblem
from trainers.identity import asked


@click.command()
@asked.weights_option
@asked.data_option
@asked.split_option
@asked.crop_option
@asked.threshold_option
@asked.distance_option
@click.option("--out", type=click.Path(path_type=Path), help="Write the dataset with its new subjects here.")
@click.option("--in-place", is_flag=True, help="Write the new subjects into the dataset itself.")
@options.dry_run_option
@options.json_option
def cluster(
    weights: Path | None,
    data: Path,
    split: str | None,
    crop: str | None,
    threshold: float | None,
    distance: str | None,
    out: Path | None,
    in_place: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Cluster faces into people; clusters become the subjects of a dataset that has none.

    Where people are known the clusters are judged by pairs. With --out or --in-place the records of a manifest that
    have a face and no subject get one; each says that it is estimated, and with what expected share of wrong pairs
    (measured on people held out in training by the preset fewfaces; by fastfacenet2021 on the training people, which
    is too low for strangers).

    \b
    Example:
      masksmith identity cluster --weights run --data faces --json
      masksmith identity cluster --weights run --data portraits --out portraits-with-subjects
    """
    from trainers.identity.clusters import Tree, named, names_of, pair_score
    from trainers.identity.distances import SAME_BELOW
    from trainers.identity.gather import gather
    from trainers.identity.photos import open_photos

    if out is not None and in_place:
        raise UsageProblem("give --out or --in-place, not both")
    network = asked.network(weights)
    photos = open_photos(data, split=split)
    if (out is not None or in_place) and split is not None:
        raise UsageProblem("subjects are written for a whole dataset: leave --split away")
    gathered = gather(photos, network.size, crop or network.crop)
    asked.tell_left_out(gathered)
    limit = network.threshold if threshold is None else threshold
    kind = distance or network.distance
    labels = Tree(network.of_crops(gathered.crops), kind).cut(limit)
    number = len(set(labels.tolist()))
    told: dict[str, Any] = {
        "photos": len(labels),
        "clusters": number,
        "threshold": limit,
        "distance": kind,
        "expected_pair_error": network.error if threshold is None else None,
        "expected_pair_error_of": network.error_of,
    }
    known = [k for k, name in enumerate(gathered.photos.people) if name is not None]
    if known:
        truth = gathered.photos.labels()[known]
        score = pair_score(labels[known], truth)
        told |= {"people": len(set(truth.tolist())), **score.as_json()}
    names = dict(zip(gathered.photos.ids, named(labels, gathered.photos.people), strict=True))
    if out is not None or in_place:
        told |= _write(data, names, told, weights, out, dry_run)
    if as_json:
        console.emit_json(
            {
                **told,
                "cluster": dict(zip(gathered.photos.ids, names_of(labels), strict=True)),
                **asked.left_out(gathered),
            }
        )
        return
    text = f"{number} clusters of {len(labels):,} faces below {limit:.3f} ({kind}, printed default {SAME_BELOW})"
    if known:
        pairs = f"pairs: precision {score.precision:.3f}, recall {score.recall:.3f}, F1 {score.f1:.3f}"
        text += f"; {told['people']} people; {pairs}"
    if "written" in told:
        text += f"; {told['written']:,} records {'would get' if dry_run else 'got'} a subject, marked as estimated"
    console.say(text)


@click.command()
@asked.weights_option
@click.argument("videos", nargs=-1, required=True, type=click.Path(path_type=Path))
@asked.threshold_option
@asked.distance_option
@click.option("--every", type=click.IntRange(min=1), default=5, show_default=True, help="Look at every so many frames.")
@options.json_option
def tracks(
    weights: Path | None,
    videos: tuple[Path, ...],
    threshold: float | None,
    distance: str | None,
    every: int,
    as_json: bool,
) -> None:
    """Follow faces through videos of one person each, and judge by F1 whether their tracks are told apart.

    \b
    Example:
      masksmith identity tracks --weights run anna.mp4 anna2.mp4 ben.mp4
    """
    from masksmith.video import read_frames
    from trainers.identity.detect import Detector
    from trainers.identity.tracks import follow, mean_points, track_score

    network, detector = asked.network(weights), Detector()
    found, people, rows = [], [], []
    for video in videos:
        mine = follow(read_frames(video), detector, network.size, every=every)
        name = video.stem.rstrip("0123456789").rstrip("_-") or video.stem
        found += mine
        people += [name] * len(mine)
        rows.append({"video": str(video), "person": name, "tracks": len(mine), "faces": [len(t.frames) for t in mine]})
    if not found:
        raise BadInput(videos[0], "a face in several frames", "none in any video", "give other videos, or --every 1")
    limit = network.threshold if threshold is None else threshold
    score = track_score(mean_points(found, network), people, limit, distance or network.distance)
    if as_json:
        console.emit_json({"videos": rows, "tracks": len(found), "threshold": limit, **score.as_json()})
        return
    for row in rows:
        console.say(f"{row['video']}: {row['tracks']} tracks of {row['person']}")
    console.say(
        f"{len(found)} tracks, {score.pairs} pairs: precision {score.precision:.3f}, recall {score.recall:.3f}, "
        f"F1 {score.f1:.3f}"
    )


def _write(
    data: Path, names: dict[str, str], told: dict[str, Any], weights: Path | None, out: Path | None, dry_run: bool
) -> dict[str, Any]:
    """Put the subjects into the manifest; what to tell of it."""
    from manifests import Manifest
    from masksmith import files
    from trainers.checkpoint import locate
    from trainers.identity.assign import write_subjects
    from trainers.identity.embed import WEIGHTS

    manifest = Manifest.open(data)
    if dry_run:
        rows = manifest.table(["id", "subject"]).to_pylist()
        return {"written": sum(row["id"] in names and not row["subject"] for row in rows), "dry_run": True}
    digest = files.sha256(locate(weights or os.environ[WEIGHTS]))
    folder, count = write_subjects(
        manifest, names, threshold=told["threshold"], error=told["expected_pair_error"], weights=digest, out=out
    )
    return {"written": count, "out": str(folder)}
