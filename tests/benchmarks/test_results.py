"""The page of results says what the records say, and the records what the plan's commands gave."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from benchmarks.results import cells, figures, page, peers, running
from benchmarks.results.__main__ import PAGE, PICTURES, chosen
from benchmarks.results.choices import LANES, TABLES
from benchmarks.results.ledger import FOLDER, Record, Records, kept, save
from benchmarks.results.plan import steps
from benchmarks.results.step import DATA, Step
from masksmith.cli import COMMANDS, group
from masksmith.errors import BadInput, UsageProblem

ROOT = Path(__file__).resolve().parents[2]


def record(name: str = "speed/x", **given: object) -> Record:
    told = {"table": "P", "command": "masksmith models", "seed": 1, "figures": {"a": 1}, "seconds": 60.0, **given}
    return Record(id=name, **told)  # type: ignore[arg-type]


def made(name: str, text: str = "{}", **given: object) -> Step:
    """A step whose command writes ``name.txt`` and prints ``text``."""
    script = f"open('{name}.txt', 'a').write('x'); print('''{text}''')"
    return Step(name, "P", f"python -c {shlex.quote(script)}", 1, makes=(f"{name}.txt",), **given)  # type: ignore[arg-type]


def shop(folder: Path, **places: Path) -> running.Workshop:
    (folder / "work").mkdir(exist_ok=True)
    named = {f"${name}": place for name, place in places.items()}
    return running.Workshop(folder / "work", folder / "records", named)


# the page that is kept


def test_the_page_is_exactly_what_the_records_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == page.text(Records.load()), "python -m benchmarks.results --render"


def test_every_record_is_of_a_step_of_the_plan_with_its_command() -> None:
    commands = {step.id: step.command for step in steps()}
    for place in FOLDER.glob("*.json"):
        found = json.loads(place.read_text(encoding="utf-8"))
        assert commands.get(found["id"]) == found["command"], place.name
        assert found["id"].replace("/", "-") == place.stem


def test_the_page_gives_the_command_of_every_record() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for step in steps():
        if Records.load().get(step.id) is not None:
            assert step.command.replace("|", "\\|") in text, step.id


def test_figures_are_drawn_from_the_records_that_are_there() -> None:
    records, text = Records.load(), PAGE.read_text(encoding="utf-8")
    shown = set(re.findall(r"docs/figures/([a-z0-9-]+)\.png", text))
    assert shown == {figure.name for figure in figures.FIGURES if figure.ready(records)}
    for figure in figures.FIGURES:
        if figure.name in shown:
            assert figures.mark_of(PICTURES / f"{figure.name}.png") == figure.digest(records), figure.name


def test_records_name_no_place_of_the_machine_they_were_made_on() -> None:
    for place in FOLDER.glob("*.json"):
        found = re.findall(r'"(?:/(?:home|root|tmp|work|Users)/[^"]*)"', place.read_text(encoding="utf-8"))
        assert not found, (place.name, found[:3])


# the page of any records


def test_without_records_every_figure_of_ours_is_a_row_that_says_so() -> None:
    text = page.text(Records([]))
    assert "0 of" in text and "not run yet" in text and "behind links" in text
    for step in steps():
        if step.table not in ("sets", "scale"):
            assert step.command.replace("|", "\\|") in text or step.takes, step.id
    assert "docs/figures/" not in text


def test_a_figure_reaches_its_row_with_its_command_seed_data_and_minutes() -> None:
    step = next(step for step in steps() if step.id == "eval/linknet128-real")
    values = {"pixel_accuracy": 0.91234, "miou_image": 0.81234, "mdice_image": 0.71234, "images": 30}
    data = {"realfeet": "0123456789abcdef"}
    found = record(step.id, table="F", command=step.command, figures=values, data=data, seed=1, revision="fedcba987654")
    text = page.text(Records([found]))
    assert "| linknet128 |" in text and "0.9123 / 0.8123 / 0.7123" in text
    row = next(line for line in text.splitlines() if line.startswith("| eval/linknet128-real"))
    assert "realfeet `01234567`" in row and "| 1.0 |" in row and "`fedcba98`" in row


def test_a_row_with_a_cell_too_few_is_refused() -> None:
    table = cells.Table("T", "says", ("a", "b"), (("1",),), ())
    with pytest.raises(ValueError, match="1 cells in a row of 2"):
        cells.markdown(table)


def test_a_figure_is_left_as_it_is_until_its_records_change(tmp_path: Path) -> None:
    point = {"alpha": 50.0, "realised_skip_rate": 0.4, "iou_fg_image": 0.9}
    first = Records([record("skipping/dance", figures={"skip_curve": [point]})])
    (drawn,) = figures.draw(first, tmp_path)
    before = drawn.stat().st_mtime_ns
    assert figures.draw(first, tmp_path) == [drawn] and drawn.stat().st_mtime_ns == before
    other = Records([record("skipping/dance", figures={"skip_curve": [point, {**point, "alpha": 80.0}]})])
    figures.draw(other, tmp_path)
    assert drawn.stat().st_mtime_ns != before and figures.mark_of(drawn) == figures.FIGURES[-1].digest(other)


# the comparison with others

FEATURES = [feature for each in peers.GROUPS for feature in each.features]


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_every_feature_of_ours_is_shown_by_a_command_and_a_test_that_exist(feature: peers.Feature) -> None:
    path, _, test = feature.test.partition("::")
    assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")
    words = feature.command.split()
    assert words[0] in COMMANDS
    command = group.get_command(click.Context(group), words[0])
    for word in words[1:]:
        if isinstance(command, click.Group):
            command = command.get_command(click.Context(command), word)
        elif word.startswith("--"):
            assert command is not None and any(word in option.opts for option in command.params), word
    assert command is not None


def test_every_row_of_the_comparison_has_a_cell_a_peer() -> None:
    for each in peers.GROUPS:
        assert {len(feature.peers) for feature in each.features} == {len(each.columns)}, each.title


# the plan


def test_ids_are_unique_and_steps_come_after_what_they_need() -> None:
    known: set[str] = set()
    for step in steps():
        assert step.id not in known and set(step.needs) <= known, step.id
        assert step.table in TABLES
        known.add(step.id)


def test_the_trainings_of_all_tables_take_three_hours_at_most() -> None:
    spent = 0.0
    for step in steps():
        learns = {"train", "distill", "ablate", "prune", "tune"} & set(step.command.split()[1:3])
        spent += step.minutes if learns and not step.beyond else 0
    assert 60 < spent / LANES <= 180


def test_the_plans_commands_and_options_exist() -> None:
    for step in steps():
        words = step.command.split()
        if words[0] != "masksmith":
            continue
        command: click.Command | None = group.get_command(click.Context(group), words[1])
        if isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words[2])
        assert command is not None, step.id
        options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= options, step.id


def test_a_table_is_chosen_with_all_it_needs() -> None:
    names = [step.id for step in chosen((), ("eval/distilled128-real",))]
    wanted = {
        "feet",
        "realfeet",
        "realfeet/prepare",
        "train/linknet128",
        "train/distilled128",
        "eval/distilled128-real",
    }
    assert set(names) == wanted and names.index("train/linknet128") < names.index("train/distilled128")
    with pytest.raises(UsageProblem, match="scale"):
        chosen(("X",), ())


# running


def test_a_step_that_is_done_is_not_run_again_until_its_inputs_or_outputs_change(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("1")
    step, place = made("one", files=("$DATA/a.txt",)), shop(tmp_path, DATA=tmp_path / "data")
    assert running.run_all(place, [step], lambda line: None) == []
    assert running.run_all(place, [step], lambda line: None) == []
    output = tmp_path / "work" / "one.txt"
    assert output.read_text() == "x"
    (tmp_path / "data" / "a.txt").write_text("22")
    running.run_all(place, [step], lambda line: None)
    assert output.read_text() == "xx"
    output.unlink()
    running.run_all(place, [step], lambda line: None)
    assert output.read_text() == "x"


def test_a_step_is_run_again_after_one_that_it_needs_was(tmp_path: Path) -> None:
    first, place = made("one"), shop(tmp_path)
    second = made("two", needs=("one",))
    running.run_all(place, [first, second], lambda line: None)
    (tmp_path / "work" / "one.txt").unlink()
    assert [decision.state for decision in place.decide([first, second])] == [running.DO, running.DO]


def test_steps_without_their_files_and_those_after_them_are_left_out(tmp_path: Path) -> None:
    lacking = made("one", files=(f"{DATA}/nothing",))
    after, other = made("two", needs=("one",)), made("three")
    states = [decision.state for decision in shop(tmp_path).decide([lacking, after, other])]
    assert states == [running.LACKS, running.LACKS, running.DO]


def test_two_steps_go_on_beside_each_other_and_one_that_measures_is_alone(tmp_path: Path) -> None:
    meet = (
        "import time, pathlib; pathlib.Path('{0}.txt').touch(); pathlib.Path('{0}.on').touch()\n"
        "end = time.monotonic() + 60\n"
        "while not pathlib.Path('{1}.txt').exists() and time.monotonic() < end: time.sleep(0.01)\n"
        "assert pathlib.Path('{1}.txt').exists(); pathlib.Path('{0}.on').unlink()"
    )
    both = [
        Step(one, "P", f"python -c {shlex.quote(meet.format(one, other))}", 1, makes=(f"{one}.txt",))
        for one, other in (("a", "b"), ("b", "a"))
    ]
    quiet = "import pathlib; assert not list(pathlib.Path('.').glob('*.on')); pathlib.Path('c.txt').touch()"
    alone = Step("speed/c", "P", f"python -c {shlex.quote(quiet)}", 1, makes=("c.txt",))
    assert running.run_all(shop(tmp_path), [*both, alone], lambda line: None, lanes=2) == []
    assert (tmp_path / "work" / "c.txt").exists()


def test_longer_steps_are_run_only_when_asked_for(tmp_path: Path) -> None:
    long = made("one", beyond=True)
    (tmp_path / "work").mkdir()
    asked = running.Workshop(tmp_path / "work", tmp_path / "records", {}, beyond=True)
    assert [shop(tmp_path).decide([long])[0].state, asked.decide([long])[0].state] == [running.BEYOND, running.DO]


def test_a_failed_step_stops_those_that_need_it_and_no_others(tmp_path: Path) -> None:
    bad = Step("bad", "P", 'python -c "raise SystemExit(3)"', 1)
    after, other = made("two", needs=("bad",)), made("three")
    failed = running.run_all(shop(tmp_path), [bad, after, other], lambda line: None)
    assert [decision.step.id for decision in failed] == ["bad", "two"] and "exit code 3" in failed[0].why
    assert (tmp_path / "work" / "three.txt").exists() and not (tmp_path / "work" / "two.txt").exists()


def test_a_command_that_makes_nothing_is_a_fault(tmp_path: Path) -> None:
    empty = Step("empty", "P", 'python -c "pass"', 1, makes=("nothing.txt",))
    with pytest.raises(BadInput, match=r"nothing\.txt"):
        shop(tmp_path).run(empty)


def test_a_record_holds_the_commands_figures_without_places_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    step = made("one", json.dumps({"fps": 12.5, "model": f"{tmp_path}/data/a.onnx", "classes": [1, 2]}))
    found = shop(tmp_path, DATA=tmp_path / "data").run(step)
    assert found.figures == {"fps": 12.5, "model": "$DATA/a.onnx"}
    assert Records.load(tmp_path / "records").get("one") == found and found.cpu


def test_a_finished_training_that_is_found_tells_its_own_time_and_revision(tmp_path: Path) -> None:
    run = tmp_path / "work" / "run"
    run.mkdir(parents=True)
    note = {"git": {"commit": "abc"}, "environment": {"cpu": "Z80", "threads": 1}}
    (run / "run.json").write_text(json.dumps(note))
    (run / "log.csv").write_text("epoch,step,loss,val_miou_image,seconds\n1,50,0.5,0.75,10\n")
    step = Step("t", "F", """python -c "print('{\\"seconds\\": 720.0}')" """, 12, makes=("run",), run="run")
    found = shop(tmp_path).run(step)
    assert (found.seconds, found.revision, found.cpu) == (720.0, "abc", "Z80")
    assert found.figures["log"] == {"step": [50.0], "seconds": [10.0], "loss": [0.5], "val_miou_image": [0.75]}


def test_what_was_made_before_and_tells_no_time_has_none(tmp_path: Path) -> None:
    place = shop(tmp_path)
    (tmp_path / "work" / "one.txt").write_text("by hand")
    assert place.run(made("one")).seconds is None
    text = "\n".join(cells.provenance([(made("one"), record("one", seconds=None))]))
    assert "made before" in text


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({"seconds": 3}, 3.0),
        ({"tuning": {"seconds": 4.5}}, 4.5),
        ({"tuning": None, "trials": [{"seconds": 1}, {"seconds": 2}]}, 3.0),
        ({"rows": [{"seconds": 1}, {"fps": 2}]}, None),
        ({}, None),
    ],
)
def test_time_is_what_the_command_says_over_all_its_starts(told: dict[str, object], seconds: float | None) -> None:
    assert running.own_seconds(told) == seconds


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    found = record("a/b", data={"feet": "00"})
    assert save(found, tmp_path).name == "a-b.json" and Records.load(tmp_path).get("a/b") == found
    (tmp_path / "a-b.json").write_text("{}")
    with pytest.raises(BadInput, match=r"a-b\.json"):
        Records.load(tmp_path)


def test_missing_figures_are_none_and_not_an_error() -> None:
    found = Records([record("a", figures={"rows": [{"model": "x", "fps": 2}], "deep": {"b": 3}})])
    assert found.figure("a", "deep", "b") == 3 and found.figure("a", "rows", 0, "fps") == 2
    assert found.figure("a", "rows", 9) is None and found.figure("none", "b") is None
    assert found.row("a", model="x")["fps"] == 2 and found.row("a", model="y") == {}


def test_of_leaks_their_number_is_kept() -> None:
    assert kept({"leaks": [{"id": "a"}, {"id": "b"}], "split": {"leaks": {}}}, {}) == {
        "leaks": 2,
        "split": {"leaks": {}},
    }


def test_longer_places_are_named_before_the_shorter_ones_they_hold() -> None:
    assert kept(["/a/b/c.png", "/a/x"], {"/a": "$A", "/a/b": "$B"}) == ["$B/c.png", "$A/x"]
