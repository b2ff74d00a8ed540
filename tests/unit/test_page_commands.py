"""No line of code in README, tutorial and how-to guides is only written down: each is parsed, or is looked at here.

Our own commands are parsed in test_docs.py. Here: shell that is no shell, variables that a recipe does not read, what
pip is to install, and programs that nobody knows.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_page import Block, Page

REPO = Path(__file__).parents[2]
PAGES = [
    *(REPO / name for name in ("README.md", "CONTRIBUTING.md", "docs/tutorial.md")),
    *sorted((REPO / "docs/how-to").glob("*.md")),
]
OURS = re.compile(r"meta-nmt-[a-z-]+|fairseq-[a-z]+|python|bash|sphinx-build")
OTHERS = {"sudo", "source", "pip", "curl", "paste", "head", "tail", "echo", "docker"}
SETUP = (REPO / "setup.py").read_text("utf-8")
ASSIGNMENT = re.compile(r"([A-Z_]+)=")


def shell_lines(page: Page) -> Iterator[str]:
    """The lines of the shell blocks of a page, continued ones joined, without prompts."""
    for block in page.blocks:
        if is_shell(block):
            for line in re.sub(r"\\\n\s*", "", block.text).strip().split("\n"):
                yield line.removeprefix("$ ") if block.language == "console" else line


def is_shell(block: Block) -> bool:
    """Whether a block is for a shell. What is indented is, unless it is Python or YAML."""
    indented = not block.language and not re.match(r"(from|import) |\w+:$", block.text, re.MULTILINE)
    return block.language in ("bash", "console") or indented


def commands(line: str) -> Iterator[list[str]]:
    """The commands of a line, each with the variables in front of it; none in a comment."""
    words = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    words.whitespace_split = True
    part: list[str] = []
    for word in [*words, "|"]:
        if word in ("|", "&&", ";", "&"):
            yield from [part] if part else []
            part = []
        else:
            part.append(word)


def text_of(script: Path) -> str:
    """The text of a script, with that of the scripts which it reads."""
    text = script.read_text("utf-8")
    named = {name for line in text.split("\n") if "source" in line for name in re.findall(r"([\w/.]+\.sh)", line)}
    read = {(script.parent / name.lstrip("/")).resolve() for name in named} | {script.parent / "common.sh"}
    return text + "".join(text_of(path) for path in read - {script.resolve()} if path.is_file())


def complaint(command: list[str]) -> str:
    """What is wrong with a command; nothing where that is the empty string."""
    variables = [match[1] for word in command if (match := ASSIGNMENT.match(word))]
    words = [word for word in command if not ASSIGNMENT.match(word)]
    if not words:
        return ""
    name = words[0].removeprefix(".venv/bin/")
    if name not in OTHERS and not OURS.fullmatch(name):
        return f"{name} is no program that a test knows"
    if name == "bash" and (script := REPO / words[1]).is_file():
        gone = [variable for variable in variables if not re.search(rf"\b{variable}\b", text_of(script))]
        return f"{words[1]} does not read {', '.join(gone)}" if gone else ""
    return pip_complaint(words) if name == "pip" else ""


def pip_complaint(words: list[str]) -> str:
    """What is wrong with a line of pip: an extra, or a version of the wheel, that is not there."""
    (version,) = re.findall(r'version="([\d.]+)"', SETUP)
    for word in words:
        ours = re.fullmatch(r"\.?(?:meta_nmt-([\d.]+)-py3-none-any\.whl)?\[([\w,-]+)\]", word)
        if ours and ours[1] not in (None, version):
            return f"the version is {version}, not {ours[1]}"
        extras = ours[2].split(",") if ours else []
        if gone := [extra for extra in extras if not re.search(rf'"{extra}"\]?(:| =) \[', SETUP)]:
            return f"there is no extra {', '.join(gone)}"
    return ""


def complaints(page: Page) -> list[str]:
    """What is wrong with the commands of a page, a line each."""
    found = [(line, complaint(command)) for line in shell_lines(page) for command in commands(line)]
    return [f"{line}: {wrong}" for line, wrong in found if wrong]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPO)))
def test_every_command_is_one_that_a_test_knows(path: Path) -> None:
    page = Page(path.read_text("utf-8"))
    assert list(shell_lines(page)), "it has commands"
    assert not complaints(page)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPO)))
def test_what_is_shell_is_shell(path: Path) -> None:
    lines = "\n".join(shell_lines(Page(path.read_text("utf-8"))))
    done = subprocess.run(["bash", "-n"], input=lines, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "line, wrong",
    [
        ("lftp x", "lftp is no program that a test knows"),
        ("echo x | lftp", "lftp is no program that a test knows"),
        ("CORPORA=x bash recipes/tatoeba/ro-en.sh", "recipes/tatoeba/ro-en.sh does not read CORPORA"),
        ("pip install '.[tests]'", "there is no extra tests"),
        ("pip install 'meta_nmt-0.0.1-py3-none-any.whl[serve]'", "the version is 0.1.0, not 0.0.1"),
        ("CORPUS=~/x SEEDS='1 2' OUTPUTS=x bash recipes/tatoeba/ro-en.sh   # what it does", ""),
        (".venv/bin/pip install '.[serve,docs]' && meta-nmt-serve x", ""),
        ("# a comment", ""),
    ],
)
def test_what_is_wrong_is_named(line: str, wrong: str) -> None:
    assert complaints(Page(f"# A page\n\n    {line}\n")) == ([f"{line}: {wrong}"] if wrong else [])


def test_blocks_of_other_languages_are_no_shell() -> None:
    python, yaml, shell = "    import x\n", "    corpora:\n      - a\n", "```bash\nA=$(x)\n```\n"
    fenced = "```python\nimport x\n```\n"
    page = Page(f"# A page\n\n{python}\n{yaml}\n{fenced}\n{shell}")
    assert [block.language for block in page.blocks] == ["", "", "python", "bash"]
    assert list(shell_lines(page)) == ["A=$(x)"]
