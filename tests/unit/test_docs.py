"""The generated parts of the documents are current, and every document's links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def update_docs() -> ModuleType:
    path = ROOT / "container" / "build" / "update_docs.py"
    spec = importlib.util.spec_from_file_location("update_docs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_parts_are_current(update_docs: ModuleType) -> None:
    """The configuration reference, the state diagram and the table of metrics."""
    files = {file for file, _, _ in update_docs.PARTS}
    assert files == {"README.md", "ARCHITECTURE.md", "container/monitoring/README.md"}
    for file, name, generate in update_docs.PARTS:
        text = (ROOT / file).read_text()
        assert update_docs.renewed(text, name, generate()) == text, f"{file}: try `make docs`"


def test_the_examples_for_kubernetes_are_current(update_docs: ModuleType) -> None:
    directory = ROOT / "container" / "kubernetes"
    examples = {file for file, *_ in update_docs.EXAMPLES}
    others = {"README.md", *(choices for _, choices, *_ in update_docs.EXAMPLES)}
    assert {path.name for path in directory.iterdir()} == examples | others
    for file, *how in update_docs.EXAMPLES:
        text = (directory / file).read_text()
        assert update_docs.example(*how) == text, f"{file}: try `make docs`"


def test_a_document_without_the_markers_is_no_silent_success(update_docs: ModuleType) -> None:
    with pytest.raises(ValueError, match="there is no <!-- state diagram: begin -->"):
        update_docs.renewed("nothing here", "state diagram", "part")


@pytest.mark.parametrize(
    "file",
    [
        *("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"),
        *("container/kubernetes/README.md", "container/monitoring/README.md"),
    ],
)
def test_local_links_lead_somewhere(file: str) -> None:
    path = ROOT / file
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []
