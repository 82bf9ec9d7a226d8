"""``vizproxy kubernetes render``."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cli.running import run
from tests.support import ROOT
from vizproxy.cli.usage import FORMATS
from vizproxy.kubernetes.render import Format

EXAMPLES = ROOT / "container" / "kubernetes"
RENDER = ("kubernetes", "render", "--format")


def test_every_format_is_known() -> None:
    assert tuple(Format) == FORMATS


def test_what_is_printed_is_the_example() -> None:
    shown = run(*RENDER, "z2jh", "--choices", str(EXAMPLES / "choices.toml"))
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == (EXAMPLES / "z2jh.yaml").read_text()


def test_a_pod_as_a_user_has_chosen_it() -> None:
    choices = ("--choices", str(EXAMPLES / "choices.toml"))
    shown = run(*RENDER, "pod", *choices, "--choose", "gpu=l40s", "--choose", "image=volume")
    assert shown.code == 0
    spec = yaml.safe_load(shown.out)["spec"]
    assert spec["containers"][0]["image"] == "registry.example.org/volume:2026"
    assert spec["runtimeClassName"] == "nvidia"


def test_without_choices_there_is_a_desktop_in_software() -> None:
    shown = run(*RENDER, "pod")
    assert shown.code == 0
    notebook, sidecar = yaml.safe_load(shown.out)["spec"]["containers"]
    assert notebook["image"].startswith("vizproxy-notebook:")
    assert sidecar["image"].startswith("vizproxy-sidecar:")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("pod", "--choose", "gpu"),
            "cannot use --choose: 'gpu' is not OPTION=CHOICE; try --choose",
        ),
        (
            ("pod", "--choose", "gpu=a"),
            "cannot choose the option gpu: the dialog has no such one; try",
        ),
        (
            ("z2jh", "--choices", "/none"),
            "cannot use the choices in /none: no such file or directory",
        ),
    ],
)
def test_what_cannot_be_rendered(arguments: tuple[str, ...], sentence: str) -> None:
    failed = run(*RENDER, *arguments)
    assert (failed.code, failed.out) == (2, "")
    assert failed.err.startswith(f"vizproxy: {sentence}")


def test_all_that_is_wrong_with_a_file(tmp_path: Path) -> None:
    file = tmp_path / "choices.toml"
    file.write_text("[metrics]\nport = 80\n[notebook]\nuid = 0\n")
    failed = run(*RENDER, "z2jh", "--choices", str(file))
    assert failed.code == 2
    assert "metrics.port is 80" in failed.err
    assert "notebook.uid is 0" in failed.err


def test_the_example_in_the_help_is_one(tmp_path: Path) -> None:
    shown = run("kubernetes", "render", "--help")
    lines = shown.out.partition("an example of a file of choices:\n")[2].splitlines()
    text = "\n".join(lines[: lines.index("")])
    file = tmp_path / "choices.toml"
    file.write_text(text)
    assert "a40-8q" in text
    assert run(*RENDER, "z2jh", "--choices", str(file)).code == 0
