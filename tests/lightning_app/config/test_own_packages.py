"""Our packages are found wherever a command is called, and the folder it is called in is not searched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_app.chain.process import run_process
from lightning_app.cli import main
from lightning_app.config.own_packages import OWN, ROOT, OwnPackages, find_own_packages_first
from lightning_app.errors import CompromisedRelease
from lightning_app.releases import require_sound_releases

SCRIPT = "import sys\nfrom lightning_app.cli import main\nsys.exit(main())\n"  # as pip writes the installed command


def test_only_top_level_names_of_ours_are_answered() -> None:
    for name in OWN:
        spec = OwnPackages.find_spec(name)
        assert spec is not None
        assert Path(str(spec.origin)).is_relative_to(ROOT)
    assert OwnPackages.find_spec("torch") is None
    assert OwnPackages.find_spec("mine.models", ["/mine"]) is None
    assert OwnPackages.find_spec("models", ["/mine"]) is None


def test_is_asked_first_and_once() -> None:
    find_own_packages_first()
    assert sys.meta_path.count(OwnPackages) == 1


def test_a_folder_with_packages_of_the_same_names(tmp_path: Path) -> None:
    for name in ("models", "losses", "datamodules"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('theirs was imported')")
    (tmp_path / "stages.py").write_text("raise SystemExit('theirs was imported')")
    (tmp_path / "loose.py").write_text("raise SystemExit('the current folder was searched')")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "lightning-cli").write_text(SCRIPT)
    theirs_first = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    ours_alone = {**os.environ, "PYTHONPATH": str(ROOT)}
    fit = ["fit", "--config", "stages/clep.yaml", "--print_config"]
    loose = ["fit", "--config", "stages/clep.yaml", "--model.loss=loose.Loss"]
    module, script = [sys.executable, "-m", "lightning_app"], [sys.executable, str(tmp_path / "bin/lightning-cli")]
    running = [
        subprocess.Popen(line, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line, env in (
            ([*module, *fit], theirs_first),
            ([*script, *fit], theirs_first),
            ([*module, *loose], ours_alone),
        )
    ]
    by_module, by_script, searched = (process.communicate() for process in running)
    assert [process.returncode for process in running] == [0, 0, 2], (by_module, by_script, searched)
    assert "class_path: stages.clap.ClapTraining" in by_module[0]
    assert by_module[0] == by_script[0]
    assert "there is no class loose.Loss; the module loose was not found: install it, name the folder" in searched[1]


def test_what_a_command_starts_does_not_search_the_current_folder_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loose.py").write_text("print('the current folder was searched')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    # As Lightning starts further ranks and torchrun its own: without -P, in the environment of the first.
    line = [sys.executable, "-m", "loose"]
    codes: list[int] = []

    def starts(_: list[str], whole_process: bool) -> int:
        codes.append(subprocess.run(line, check=False, capture_output=True).returncode)
        return 0

    monkeypatch.setattr("lightning_app.cli._main", starts)
    assert main(["fit"]) == 0
    assert codes == [1]
    assert "PYTHONSAFEPATH" not in os.environ
    assert run_process(line, tmp_path / "log.txt") == 1
    assert "No module named loose" in capsys.readouterr().out
    assert subprocess.run(line, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("found", ["2.6.2", "2.6.3"])
def test_a_compromised_release_is_refused_before_it_is_imported(
    found: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lightning_app.cli import main

    monkeypatch.setattr("lightning_app.releases.version", lambda package: found)
    assert main(["fit", "--config", "stages/clep.yaml"]) == 4
    said = capsys.readouterr().err
    assert said.startswith(f"lightning-cli fit: error: lightning {found} steals credentials when it is imported")
    assert said.count("\n") == 1


def test_any_other_release_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_app.releases.version", lambda package: "2.6.6")
    require_sound_releases()
    assert issubclass(CompromisedRelease, RuntimeError)


@pytest.mark.parametrize("words", [["--help"], ["chain", "--config", "configs/chains/demo.yaml", "--dry-run"]])
def test_a_closed_pipe_ends_quietly(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    line = [sys.executable, "-m", "lightning_app", *words]
    done = subprocess.run(
        line, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == b""
