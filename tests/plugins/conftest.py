"""What a lab does with its additions, through the command line as it would type it; each run is made once."""

from functools import cached_property
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parent
MYLAB = PLUGINS / "mylab"
QUIET = ("--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--trainer.accelerator=cpu")
CLIPS = ("--data.loading.num_workers=0", "--data.audio.seconds=1.2")


class Lab:
    """A folder with the lab's manifest and its runs."""

    def __init__(self, folder: Path, recordings: Path, tiny_bert: Path) -> None:
        self.folder, self.recordings = folder, recordings
        self.text = folder / "text.yaml"
        self.text.write_text(
            "class_path: models.text.TextEncoder\n"
            f"init_args: {{source: {tiny_bert}, pooling: mean, sha256: null, truncate: true}}\n"
        )

    def call(self, verb: str, *words: object, plugins: bool = True) -> int:
        """Run one command; returns its exit code."""
        from lightning_app.cli import main

        found = [f"--plugins={PLUGINS}"] if plugins else []
        return main([verb, *found, *map(str, words)])

    def stage(self, verb: str, name: str, *words: object) -> Path:
        """Run a stage in a run folder of its own, which is returned."""
        folder = self.folder / name
        assert self.call(verb, *words, f"--trainer.default_root_dir={folder}", *QUIET) == 0
        return folder

    def pretrain(self, name: str, *words: object) -> Path:
        """Train an audio-text model on the lab's encoder; returns the run folder."""
        return self.stage(
            "fit", name, "--config=stages/clep.yaml", f"--config={MYLAB / 'clap.yaml'}",
            f"--config={MYLAB / 'corpus.yaml'}", f"--model.clap.text={self.text}", "--model.clap.dim=16",
            "--model.groups=[]", f"--data.manifest={self.manifest}", *CLIPS, "--data.loading.batch_size=12",
            "--trainer.max_epochs=1", *words,
        )  # fmt: skip

    def test(self, name: str, run: Path, *words: object) -> Path:
        """Evaluate what a run left on the lab's test speakers; returns the run folder."""
        return self.stage(
            "test", name, "--config=stages/evaluation.yaml", f"--config={MYLAB / 'corpus.yaml'}",
            f"--model.init_from={run / 'best.ckpt'}", f"--data.manifest={self.manifest}", *CLIPS, *words,
        )  # fmt: skip

    @cached_property
    def manifest(self) -> Path:
        path = self.folder / "manifest.csv"
        assert self.call("prepare", "mylab.corpus", self.recordings, "--out", path) == 0
        return path

    @cached_property
    def clap(self) -> Path:
        """A model of the lab's encoder, on the lab's captions."""
        return self.pretrain("clap", f"--config={MYLAB / 'captions.yaml'}")

    @cached_property
    def probe(self) -> Path:
        """The lab's own stage, trained on its own data, on that model."""
        return self.stage(
            "fit", "probe", f"--config={MYLAB / 'probe.yaml'}", f"--model.init_from={self.clap / 'best.ckpt'}",
            f"--data.manifest={self.manifest}", "--data.audio.seconds=1.2", "--trainer.max_epochs=40",
        )  # fmt: skip

    @cached_property
    def classifier(self) -> Path:
        """The lab's classifier, trained on texts that start from that model."""
        prompts = self.stage(
            "fit", "prompts", "--config=stages/acpt.yaml", f"--model.init_from={self.clap / 'best.ckpt'}",
            "--trainer.max_epochs=1",
        )  # fmt: skip
        return self.stage(
            "fit", "classifier", "--config=stages/classifier.yaml", f"--config={MYLAB / 'classifier.yaml'}",
            f"--model.init_from={prompts / 'best.ckpt'}", "--trainer.max_epochs=1",
        )  # fmt: skip


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, corpus: Path, tiny_bert: Path) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"), corpus.parent, tiny_bert)


@pytest.fixture(scope="session")
def mylab() -> Path:
    """The folder of the lab's package."""
    return MYLAB
