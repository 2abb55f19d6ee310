from collections.abc import Callable
from itertools import islice
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from loaders import PRIOR_KINDS, Batch, Batches, fill_self_priors
from manifests import Manifest
from masksmith import images
from masksmith.errors import BadInput, UsageProblem

SIZE = (40, 48)
Write = Callable[..., Manifest]
FULL: dict[str, Any] = {"size": SIZE, "batch_size": 4, "augment": "pirshutuk2023", "priors": "paper", "seed": 5}


def assert_equal(first: Batch, second: Batch) -> None:
    assert first.ids == second.ids
    for name in ("image", "mask", "prior", "prior_kind", "warped"):
        one, other = getattr(first, name), getattr(second, name)
        assert (one is None and other is None) or torch.equal(one, other), name


def differ(first: Batch, second: Batch) -> bool:
    return first.ids != second.ids or not torch.equal(first.image, second.image)


def test_a_batch_has_the_shapes_types_and_ranges_it_promises(small: Manifest) -> None:
    batch = next(Batches(small, "train", **FULL).epoch(0))
    assert batch.image.shape == (4, 3, *SIZE) and batch.image.dtype == torch.float32
    assert batch.image.is_contiguous()
    assert 0.0 <= float(batch.image.min()) < 0.5 < float(batch.image.max()) <= 1.0
    assert batch.mask.shape == (4, *SIZE) and batch.mask.dtype == torch.uint8
    assert set(batch.mask.unique().tolist()) <= {0, 1}
    assert batch.prior is not None and batch.prior_kind is not None and batch.warped is not None
    assert batch.prior.shape == (4, 1, *SIZE) and batch.prior.dtype == torch.float32
    assert batch.prior_kind.shape == (4,) and batch.prior_kind.dtype == torch.int64
    assert batch.warped.shape == batch.image.shape and batch.warped.dtype == torch.float32
    assert len(set(batch.ids)) == 4


def test_without_priors_there_are_none(small: Manifest) -> None:
    batch = next(Batches(small, "train", size=SIZE, batch_size=4).epoch(0))
    assert batch.prior is None and batch.prior_kind is None and batch.warped is None


def test_pictures_are_rgb_and_match_their_masks(small: Manifest) -> None:
    batch = next(Batches(small, "train", size=(60, 80), batch_size=4, shuffle=False).epoch(0))
    for place, id in enumerate(batch.ids):
        image = images.read_image(small.folder / "images" / f"{id[1:]}.png")
        mask = images.read_mask(small.folder / "masks" / f"{id[1:]}.png")
        assert torch.equal(batch.image[place], torch.from_numpy(image).permute(2, 0, 1).float() / 255)
        assert np.array_equal(batch.mask[place].numpy(), mask)


def test_an_epoch_shows_every_record_once_in_an_order_of_its_own(small: Manifest) -> None:
    batches = Batches(small, "train", size=SIZE, batch_size=4, drop_last=False)
    assert len(batches) == 3
    seen = [[id for batch in batches.epoch(number) for id in batch.ids] for number in (0, 1, 0)]
    assert sorted(seen[0]) == sorted(seen[1]) == [f"r{k:03d}" for k in range(9)]
    assert seen[0] == seen[2] != seen[1]
    steady = Batches(small, "train", size=SIZE, batch_size=4, drop_last=False, shuffle=False)
    assert [id for batch in steady.epoch(3) for id in batch.ids] == [f"r{k:03d}" for k in range(9)]


def test_the_last_short_batch_is_left_out_unless_kept(small: Manifest) -> None:
    for drop_last, sizes in ((True, [4, 4]), (False, [4, 4, 1])):
        batches = Batches(small, "train", size=SIZE, batch_size=4, drop_last=drop_last)
        assert len(batches) == len(sizes)
        assert [len(batch.ids) for batch in batches.epoch(0)] == sizes


def test_a_split_gives_its_own_records_and_none_gives_all(small: Manifest) -> None:
    assert next(Batches(small, "val", size=SIZE, batch_size=1).epoch(0)).ids == ["r009"]
    assert Batches(small, None, size=SIZE, batch_size=1).records == 10


def test_the_seed_and_the_epoch_decide_every_bit(small: Manifest) -> None:
    first, again = Batches(small, "train", **FULL), Batches(small, "train", **FULL)
    for one, other in zip(first.epoch(2), again.epoch(2), strict=True):
        assert_equal(one, other)
    other_seed = Batches(small, "train", **{**FULL, "seed": 6})
    assert differ(next(first.epoch(2)), next(other_seed.epoch(2)))
    still = {**FULL, "shuffle": False}
    assert differ(next(Batches(small, "train", **still).epoch(0)), next(Batches(small, "train", **still).epoch(1)))


def test_a_sample_does_not_depend_on_the_batch_it_stands_in(small: Manifest) -> None:
    def samples(batch_size: int) -> dict[str, torch.Tensor]:
        batches = Batches(small, "train", **{**FULL, "batch_size": batch_size, "drop_last": False})
        return {id: image for batch in batches.epoch(0) for id, image in zip(batch.ids, batch.image, strict=True)}

    one, four = samples(1), samples(4)
    assert one.keys() == four.keys()
    assert all(torch.equal(one[id], four[id]) for id in one)


def test_a_resumed_stream_goes_on_as_the_undisturbed_one(small: Manifest) -> None:
    whole = list(islice(Batches(small, "train", **FULL).stream(), 7))
    resumed = list(islice(Batches(small, "train", **FULL).stream(3), 4))
    for one, other in zip(whole[3:], resumed, strict=True):
        assert_equal(one, other)
    epochs = Batches(small, "train", **FULL)
    by_epoch = [batch for number in range(4) for batch in epochs.epoch(number)]
    for one, other in zip(whole, by_epoch, strict=False):
        assert_equal(one, other)


def test_one_worker_makes_the_same_batches_as_none_epoch_after_epoch(small: Manifest) -> None:
    alone = Batches(small, "train", **FULL)
    with Batches(small, "train", **FULL, workers=1) as helped:
        for number in (0, 1):
            for one, other in zip(alone.epoch(number), helped.epoch(number), strict=True):
                assert_equal(one, other)


def test_four_workers_make_the_same_batches_as_none(small: Manifest) -> None:
    alone = list(islice(Batches(small, "train", **FULL).stream(1), 9))
    with Batches(small, "train", **FULL, workers=4) as helped:
        together = list(islice(helped.stream(1), 9))
        for one, other in zip(alone, together, strict=True):
            assert_equal(one, other)
        # an iteration left in the middle does not disturb the next one
        for one, other in zip(Batches(small, "train", **FULL).epoch(0), helped.epoch(0), strict=True):
            assert_equal(one, other)


def test_an_error_in_a_worker_arrives_as_itself(small: Manifest) -> None:
    broken = small.folder / "masks" / "004.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with Batches(small, "train", size=SIZE, batch_size=9, workers=1) as batches, pytest.raises(BadInput) as caught:
        list(batches.epoch(0))
    assert caught.value.where == str(broken)


def test_loading_leaves_the_global_generators_alone(small: Manifest) -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - the state that must not be touched
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index,union-attr]  # noqa: NPY002
    list(Batches(small, "train", **FULL).epoch(0))
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002


def test_prior_kinds_stand_for_what_the_priors_are(small: Manifest) -> None:
    batches = Batches(small, "train", **{**FULL, "batch_size": 9, "augment": "none"})
    kinds: set[str] = set()
    for batch in islice(batches.stream(), 12):
        assert batch.prior is not None and batch.prior_kind is not None and batch.warped is not None
        for place, number in enumerate(batch.prior_kind.tolist()):
            kind = PRIOR_KINDS[number]
            kinds.add(kind)
            prior, warped = batch.prior[place, 0], batch.warped[place]
            truth = batch.mask[place] == 1
            iou = float(((prior >= 0.5) & truth).sum() / ((prior >= 0.5) | truth).sum())
            assert bool(prior.any()) == (kind != "empty")
            assert bool(warped.any()) == (kind == "self")
            if kind in ("affine", "elastic", "self"):
                assert iou > 0.4
            elif kind == "major":
                assert iou < 0.6
    assert kinds == set(PRIOR_KINDS)


def self_batch(manifest: Manifest) -> Batch:
    batches = Batches(manifest, "train", **{**FULL, "batch_size": 9})
    return next(
        batch
        for batch in batches.stream()
        if batch.prior_kind is not None and 0 < int((batch.prior_kind == 4).sum()) < 9
    )


def test_self_priors_are_the_networks_answers_on_the_warped_pictures_with_an_empty_prior(small: Manifest) -> None:
    batch = self_batch(small)
    chosen = batch.prior_kind == 4
    assert batch.warped is not None and batch.prior is not None
    calls = []

    def predict(pictures: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        calls.append((pictures, prior, torch.is_grad_enabled()))
        return pictures.mean(dim=1)

    before = batch.prior.clone()
    filled = fill_self_priors(batch, predict)
    ((pictures, empty, graded),) = calls
    assert torch.equal(pictures, batch.warped[chosen])
    assert empty.shape == (int(chosen.sum()), 1, *SIZE) and not empty.any()
    assert not graded
    assert filled.prior is not None and filled.self_filled and not batch.self_filled
    assert torch.equal(filled.prior[chosen][:, 0], batch.warped[chosen].mean(dim=1))
    assert torch.equal(filled.prior[~chosen], before[~chosen])
    assert torch.equal(batch.prior, before)


def test_a_network_answer_of_another_size_is_refused(small: Manifest) -> None:
    with pytest.raises(ValueError, match="predict returned"):
        fill_self_priors(self_batch(small), lambda pictures, prior: pictures[:, 0, ::2, ::2])


def test_without_self_samples_the_network_is_not_asked(small: Manifest) -> None:
    def never(pictures: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        raise AssertionError("asked")

    for mix in ("data", None):
        batch = next(Batches(small, "train", **{**FULL, "priors": mix}).epoch(0))
        fill_self_priors(batch, never)


def test_named_foreground_classes_become_one_and_ignore_stays(write_manifest: Write, scene: Callable[..., Any]) -> None:
    image, mask = scene(0)
    mask = mask * 3
    mask[:5], mask[-5:] = 2, 255
    manifest = write_manifest([(image, mask)], classes={"sky": 0, "road": 2, "foot": 3, "shoe": 4})
    options: dict[str, Any] = {"size": (60, 80), "batch_size": 1}
    ids = next(Batches(manifest, "train", **options).epoch(0)).mask[0].numpy()
    assert np.array_equal(ids, mask)
    some = next(Batches(manifest, "train", **options, foreground=("foot", "shoe")).epoch(0)).mask[0].numpy()
    assert np.array_equal(some, np.where(mask == 255, 255, mask == 3))


def test_priors_are_made_from_the_foreground_alone(write_manifest: Write, scene: Callable[..., Any]) -> None:
    image, mask = scene(0)
    mask = mask * 3
    mask[:8], mask[-8:] = 2, 255
    manifest = write_manifest([(image, mask)] * 12, classes={"background": 0, "road": 2, "foot": 3})
    options: dict[str, Any] = {"size": (60, 80), "batch_size": 12, "priors": "data"}
    for foreground, truth in ((("foot",), mask == 3), (None, (mask == 3) | (mask == 2))):
        batch = next(Batches(manifest, "train", **options, foreground=foreground).epoch(0))
        assert batch.prior is not None and batch.prior_kind is not None
        small_warps = batch.prior[(batch.prior_kind == 1) | (batch.prior_kind == 2), 0]
        assert len(small_warps) > 2
        share = float((small_warps >= 0.5).float().mean())
        assert share == pytest.approx(truth.mean(), rel=0.15)


def test_large_jpegs_are_decoded_small_and_look_the_same(write_manifest: Write, scene: Callable[..., Any]) -> None:
    image, _ = scene(1, 480, 640)
    image = cv2.GaussianBlur(image, (0, 0), 4)
    mask = np.zeros((480, 640), np.uint8)
    cv2.circle(mask, (300, 250), 150, 1, -1)
    manifest = write_manifest([(image, mask)], suffix=".jpg")
    batch = next(Batches(manifest, "train", size=(60, 80), batch_size=1).epoch(0))
    expected = cv2.resize(image, (80, 60), interpolation=cv2.INTER_AREA)
    shown = (batch.image[0].permute(1, 2, 0).numpy() * 255).round()
    assert np.abs(shown - expected).mean() < 2.0
    assert batch.mask[0].numpy().mean() == pytest.approx(mask.mean(), rel=0.01)


def test_a_turned_jpeg_is_shown_upright(write_manifest: Write) -> None:
    from PIL import Image as pillow

    stored = np.zeros((160, 320, 3), np.uint8)
    stored[:, :80] = (250, 20, 20)
    manifest = write_manifest([(stored, np.zeros((320, 160), np.uint8))], suffix=".jpg")
    exif = pillow.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    pillow.fromarray(stored).save(manifest.folder / "images" / "000.jpg", exif=exif, quality=95)
    batch = next(Batches(manifest, "train", size=(80, 40), batch_size=1).epoch(0))
    red = batch.image[0, 0].numpy()
    assert red[:15].min() > 0.8 and red[25:].max() < 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"augment": "demborg"}, "Did you mean 'demborg2018'"),
        ({"priors": "papers"}, "Did you mean 'paper'"),
        ({"foreground": ("feet",)}, "Did you mean 'foot'.*background, foot"),
        ({"foreground": ()}, "names no class"),
        ({"foreground": "foot"}, "sequence of class names"),
        ({"batch_size": 10}, "9 records .* do not fill one batch of 10"),
        ({"batch_size": 0}, "too small"),
    ],
)
def test_options_that_cannot_be_are_refused(small: Manifest, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageProblem, match=message):
        Batches(small, "train", **{**FULL, **change})


def test_priors_without_a_known_foreground_are_refused(write_manifest: Write, scene: Callable[..., Any]) -> None:
    manifest = write_manifest([scene(0)], classes={"sky": 0, "person": 1})
    with pytest.raises(UsageProblem, match=r"no class is called background.*person, sky"):
        Batches(manifest, "train", size=SIZE, batch_size=1, priors="data")


def test_an_empty_split_is_refused_with_the_splits_there_are(small: Manifest) -> None:
    with pytest.raises(BadInput, match=r"records in split 'test'.*train, val"):
        Batches(small, "test", size=SIZE)


def test_records_without_a_mask_are_refused(write_manifest: Write, scene: Callable[..., Any]) -> None:
    manifest = write_manifest([scene(0), (scene(1)[0], None)])
    with pytest.raises(BadInput, match="1 without, the first is r001"):
        Batches(manifest, "train", size=SIZE, batch_size=1)


def test_a_mask_of_another_size_names_the_file_and_both_sizes(write_manifest: Write, scene: Callable[..., Any]) -> None:
    for suffix, height, width in ((".png", 60, 80), (".jpg", 240, 320)):
        image, mask = scene(0, height, width)
        manifest = write_manifest([(image, mask[:-6])], name=f"unequal{suffix[1:]}", suffix=suffix)
        batches = Batches(manifest, "train", size=SIZE, batch_size=1)
        with pytest.raises(BadInput, match=rf"masks/000.png.*{width} x {height}.*found {width} x {height - 6}.*resize"):
            next(batches.epoch(0))


def test_ids_outside_the_class_table_are_named(write_manifest: Write, scene: Callable[..., Any]) -> None:
    image, mask = scene(0)
    mask[0, 0] = 9  # one pixel, which the working size may lose
    batches = Batches(write_manifest([(image, mask)]), "train", size=SIZE, batch_size=1)
    with pytest.raises(BadInput, match=r"0 \(background\), 1 \(foot\) or 255 \(ignore\), found also 9"):
        next(batches.epoch(0))


def test_masks_in_0_and_255_are_refused_before_the_first_batch(
    write_manifest: Write, scene: Callable[..., Any]
) -> None:
    pairs = [(image, mask * 255) for image, mask in (scene(k) for k in range(3))]
    with pytest.raises(BadInput, match=r"255 means ignore, found only 0 and 255 in 3 masks.*map 255"):
        Batches(write_manifest(pairs), "train", size=SIZE, batch_size=1)


def test_one_mask_of_background_and_ignore_among_others_is_fine(
    write_manifest: Write, scene: Callable[..., Any]
) -> None:
    image, mask = scene(0)
    manifest = write_manifest([(image, mask * 255), scene(1)])
    assert len(list(Batches(manifest, "train", size=SIZE, batch_size=1).epoch(0))) == 2


def test_a_missing_picture_is_named(small: Manifest) -> None:
    (small.folder / "images" / "003.png").unlink()
    with pytest.raises(BadInput, match=r"003.png.*no such file"):
        list(Batches(small, "train", size=SIZE, batch_size=9).epoch(0))


def test_a_cut_off_jpeg_is_named(write_manifest: Write, scene: Callable[..., Any]) -> None:
    manifest = write_manifest([scene(0, 240, 320)], suffix=".jpg")
    path = manifest.folder / "images" / "000.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BadInput, match=r"000.jpg.*cut off"):
        next(Batches(manifest, "train", size=SIZE, batch_size=1).epoch(0))
