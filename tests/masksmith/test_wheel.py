"""The wheel works in another folder, without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"masksmith", "manifests", "datagen", "loaders", "evaluation", "trainers"}


@pytest.mark.slow
def test_the_wheel_holds_the_packages_with_their_data_and_runs_elsewhere(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        if name:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip"]
    build = [*pip, "wheel", str(copy), "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run(build, check=True, capture_output=True)
    wheel = next(tmp_path.glob("*.whl"))
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if not name.startswith("masksmith-")} == PACKAGES
    assert "trainers/presets/demborg2018.toml" in names
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True, capture_output=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = "import masksmith, sys; from masksmith.cli import main; print(masksmith.__file__); main(sys.argv[1:])"
    env = {**os.environ, "PYTHONPATH": str(site)}
    for line in (["models", "--json"], ["quickstart", "--dry-run"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *line], cwd=elsewhere, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert str(site) in done.stdout
    assert list(elsewhere.iterdir()) == []
