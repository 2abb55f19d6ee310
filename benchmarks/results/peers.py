"""The systems around, feature by feature, each of ours with the command or test that shows it.

What the others do is what their own documentation and code say, read in 2026. A test asks that every command and
every test named here is there.
"""

from __future__ import annotations

from dataclasses import dataclass

YES, NO = "yes", "–"


@dataclass(frozen=True)
class Feature:
    """A row: what it is, what each peer has, and where ours is shown.

    Attributes:
        peers: a cell a column of its group.
        ours: in a few words.
        command: one that shows it, without its operands; empty where a test alone does.
        test: ``tests/FILE.py::test_name``.
    """

    name: str
    peers: tuple[str, ...]
    ours: str
    command: str
    test: str


@dataclass(frozen=True)
class Group:
    """One comparison: what for, against whom, and the features."""

    title: str
    columns: tuple[str, ...]
    features: tuple[Feature, ...]


GROUPS = (
    Group(
        "Making data",
        ("BlenderProc", "Kubric", "Infinigen", "BlenderSynth / SynFoot", "syndata-generation"),
        (
            Feature(
                "feet on floors, generator open",
                (NO, NO, NO, "feet; generator not released", NO),
                "scans or made feet, with contact shadow",
                "generate",
                "tests/datagen/test_generate.py::test_a_dataset_is_whole_and_keeps_feet_and_floors_apart",
            ),
            Feature(
                "one seed makes the whole set, on any engine and number of workers",
                ("environment variable, global", "per worker; 0 is no seed", "seed is the folder", NO, "global"),
                "same bytes",
                "generate --seed --engine",
                "tests/datagen/test_generate.py::test_real_scans_and_floors_give_the_same_bytes_on_every_engine",
            ),
            Feature(
                "goes on where it was stopped",
                ("rewrites the whole file", "drops unfinished scenes", "scene database", "time-outs told", "by file"),
                "receipts a shard; same bytes as undisturbed",
                "generate",
                "tests/datagen/test_generate.py::test_a_killed_run_goes_on_and_ends_with_the_same_bytes",
            ),
            Feature(
                "a recipe makes one image again",
                (NO, NO, "by folder", NO, NO),
                "byte for byte",
                "scene",
                "tests/datagen/test_generate.py::test_a_scene_is_made_again_byte_for_byte",
            ),
            Feature(
                "on a cluster",
                ("run it again elsewhere", "Docker and Beam", "SLURM", "processes", "Pool(4)"),
                "Ray; shards to an object store",
                "generate --engine ray",
                "tests/datagen/test_generate_ray.py::test_three_nodes_of_which_one_is_killed_give_the_bytes_of_one_process",
            ),
        ),
    ),
    Group(
        "Keeping data",
        ("datumaro", "FiftyOne", "scikit-learn", "pooch", "Croissant", "img2dataset"),
        (
            Feature(
                "splits that keep several keys apart",
                ("re-identification only", NO, "one key", NO, "labels only", NO),
                "any keys, with a proof",
                "split --by",
                "tests/manifests/test_splits.py::test_no_value_of_any_key_is_in_two_splits",
            ),
            Feature(
                "leak check across splits",
                (NO, "embeddings", NO, NO, NO, NO),
                "keys, files, near-duplicates, crops, faces",
                "audit",
                "tests/manifests/test_leaks.py::test_a_record_that_leaks_in_three_ways_has_one_entry_with_the_plainest_first",
            ),
            Feature(
                "every file's checksum",
                (NO, NO, NO, YES, "required", YES),
                "in the record, checked with size and mask values",
                "manifest verify",
                "tests/manifests/test_verify.py::test_a_file_that_is_not_as_recorded_is_named",
            ),
            Feature(
                "a broken download goes on",
                (NO, NO, NO, "deletes the part", "from 0", "per shard"),
                "from the byte it stopped at",
                "fetch",
                "tests/loaders/test_download.py::test_a_later_run_goes_on_where_the_last_was_cut",
            ),
            Feature(
                "licence kept with each image",
                (NO, NO, NO, NO, YES, "opt-out headers"),
                "a composite's is the list of its inputs'",
                "manifest show",
                "tests/loaders/test_prepare.py::test_another_licence_on_a_second_run_reaches_the_records",
            ),
        ),
    ),
    Group(
        "Judging masks",
        ("torchmetrics", "mmsegmentation", "hotcoco", "DAVIS 2017", "MetricsReloaded"),
        (
            Feature(
                "region figures that name their convention",
                ("one", "one", "COCO AP", "J", YES),
                "four IoUs side by side",
                "evaluate",
                "tests/evaluation/test_region.py::test_one_set_of_predictions_has_four_different_ious",
            ),
            Feature(
                "0/255 against 0/1",
                ("0.0039, silently", "IoU 0", NO, NO, NO),
                "refused, the file named",
                "evaluate",
                "tests/evaluation/test_faults.py::test_a_0_1_prediction_against_a_0_255_truth_is_refused_and_not_0_0039",
            ),
            Feature(
                "boundary figures",
                ("Hausdorff", NO, NO, "F", YES),
                "boundary IoU, F, Hausdorff, surface Dice",
                "evaluate --boundary",
                "tests/evaluation/test_boundary.py::test_figures_of_blobs_equal_direct_implementations",
            ),
            Feature(
                "how still masks are",
                (NO, NO, NO, "refused", NO),
                "eight figures, jitter told from error",
                "jitter",
                "tests/evaluation/test_temporal.py::test_a_constant_bias_in_a_still_clip_costs_nothing",
            ),
            Feature(
                "intervals over people, not images",
                ("wrapper, over images", NO, "of differences", NO, NO),
                "bootstrap of subjects; paired differences",
                "evaluate --data",
                "tests/evaluation/test_intervals.py::test_more_images_of_the_same_subjects_do_not_narrow_the_interval",
            ),
            Feature(
                "quality against skipped frames",
                (NO, NO, NO, NO, NO),
                "a curve",
                "jitter --skip-curve",
                "tests/evaluation/test_skipping.py::test_every_row_is_the_quality_of_the_masks_that_the_policy_leaves",
            ),
        ),
    ),
    Group(
        "Portrait segmentation",
        (
            "EasyPortrait",
            "SINet",
            "PortraitNet",
            "PP-HumanSeg",
            "segmentation_models.pytorch",
            "RVM",
        ),
        (
            Feature(
                "fetches its data",
                ("links", NO, NO, YES, NO, "links"),
                "verified, resumable, dead links listed",
                "fetch",
                "tests/loaders/test_fetch.py::test_a_dead_link_stops_nobody_and_is_counted",
            ),
            Feature(
                "splits by person",
                (YES, NO, "no, leaks", "not stated", NO, "by clip"),
                "checked again at every training",
                "train",
                "tests/trainers/test_commands.py::test_leaks_end_with_exit_code_one",
            ),
            Feature(
                "the previous mask as an input",
                (NO, NO, "fourth channel", "optical flow afterwards", NO, "recurrent"),
                "simulated in five kinds, self-prediction too",
                "priors",
                "tests/loaders/test_priors.py::test_drawn_kinds_follow_the_weights_of_the_mix",
            ),
            Feature(
                "figures of time",
                (NO, NO, NO, NO, NO, "dtSSD on mattes"),
                "with and without the prior",
                "ablate",
                "tests/trainers/test_ablation.py::test_every_row_is_trained_alike_and_judged_on_stills_and_clips",
            ),
            Feature(
                "tests",
                (NO, NO, NO, NO, YES, NO),
                "of every package",
                "train",
                "tests/trainers/test_overfit.py::test_eight_real_pictures_are_learnt_by_heart",
            ),
        ),
    ),
)
