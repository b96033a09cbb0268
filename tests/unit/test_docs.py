"""The names in the documentation exist: links, headings, files, commands, settings, deployments."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "deployments").rglob("*.md")),
]
HAND_WRITTEN = [page for page in PAGES if page.name != "CHANGELOG.md"]  # a changelog names removed things
LINK = re.compile(r"\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)")
PRODUCT = ("flows", "tasks", "blocks", "videojobs", "deployments")
NAMED_FILE = re.compile(r"`((?:\w+/)+[\w.-]+\.(?:py|md|yaml|toml|txt)|(?:\w+/)+)`")


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub generates them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for target, anchor in LINK.findall(re.sub(r"`[^`\n]+`", "", page.read_text())):
        file = page.parent / unquote(target) if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield f"{target}#{anchor}"


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))


def named_make_targets(text: str) -> Iterator[str]:
    """`make test`, `make lint typecheck`, `make bench PART=f`; in code only, since "make" is also a verb."""
    code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^ {4}(.+)$", text, re.MULTILINE)
    for command in code:
        for words in re.findall(r"^make((?: +[a-z][a-z-]*)+)(?![\w/=])", command):
            yield from words.split()


def missing_make_targets(page: Path) -> set[str]:
    return set(named_make_targets(page.read_text())) - make_targets()


def missing_files(page: Path) -> set[str]:
    named = NAMED_FILE.findall(page.read_text())
    return {name for name in named if not (ROOT / name).exists() and not (page.parent / name).exists()}


def missing_settings(page: Path) -> Iterator[str]:
    """Settings named in the text that do not exist: `VIDEOJOBS_NAME`, or `VIDEOJOBS_PREFIX_...` for several."""
    known = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE))
    for name, is_prefix in re.findall(r"\b(VIDEOJOBS_\w+?)_?(\.\.\.|\*)?(?![\w.])", page.read_text()):
        if name not in known and not (is_prefix and any(setting.startswith(name) for setting in known)):
            yield name


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_lead_to_files_and_headings(page: Path) -> None:
    assert set(broken_links(page)) == set()


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=page_id)
@pytest.mark.parametrize("missing", [missing_make_targets, missing_files, missing_settings])
def test_what_a_page_names_exists(page: Path, missing: Callable[[Path], Iterable[str]]) -> None:
    assert set(missing(page)) == set()


def test_messages_of_the_runbook_are_those_of_the_code() -> None:
    files = (file for package in PRODUCT for file in (ROOT / package).rglob("*.py"))
    code = "\n".join(
        re.sub(r'"\s*\n\s*f?"', "", file.read_text()) for file in files
    )  # literals that continue on the next line
    table = (ROOT / "docs/operations.md").read_text().partition("## Runbook")[2].partition("###")[0]
    symptoms = " ".join(re.findall(r"^\|([^|]*)\|", table, re.MULTILINE))
    fragments = {part.strip() for quoted in re.findall(r"`([^`]+)`", symptoms) for part in quoted.split("...")}
    assert len(fragments) > 15
    assert [part for part in fragments if " " in part and part not in code] == []


def test_the_readme_leads_to_every_page_of_the_docs() -> None:
    indexes = (ROOT / "README.md", ROOT / "docs/evidence.md")
    linked = {(page.parent / target).resolve() for page in indexes for target, _ in LINK.findall(page.read_text())}
    assert {page.name for page in (ROOT / "docs").glob("*.md") if page not in linked} == set()


def test_targets_are_found_in_code_only() -> None:
    assert list(named_make_targets("We make sure that `make test ARGS=x` runs.\n\n    make lint typecheck\n")) == [
        "test",
        "lint",
        "typecheck",
    ]
