"""meta-nmt-quickstart runs the recipe with what is installed."""

from pathlib import Path

import pytest

from meta_nmt.cli import quickstart


def test_a_dry_run_prints_the_commands_of_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert quickstart.main(["--out", "here", "--dry-run"]) == 0
    said = capfd.readouterr().out
    assert "+ meta-nmt-adapt " in said and f"--out {tmp_path}/here/quickstart/translator" in said
    assert not [*tmp_path.iterdir()], "a dry run makes nothing"


def test_it_installs_nothing_and_takes_the_commands_beside_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quickstart.sys, "executable", "/some/bin/python")
    variables = quickstart.environment(Path("out"), dry_run=False)
    assert variables["INSTALL"] == "0" and variables["DRY_RUN"] == "0"
    assert variables["PATH"].startswith("/some/bin:") and Path(variables["OUTPUTS"]) == Path.cwd() / "out"
