"""What README and docs quote is there: links, paths, symbols, and commands with flags that the real parsers know.

A page that speaks of the past marks what is no more (tests/markdown_page.py); a mark that is not needed is refused.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path

import pytest
from markdown_page import Link, Page, Quote
from programs import CAMPAIGN, REPO, Program, all_flags, ask, flags_of, is_there

PAGES = [REPO / "README.md", REPO / "CONTRIBUTING.md", *sorted((REPO / "docs").rglob("*.md"))]
WRAPPED = [
    *(REPO / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(path for path in (REPO / "docs").rglob("*.md") if "results" not in path.parts),
]
FOLDERS = ("meta_nmt", "data_prep", "benchmarks", "recipes", "tests", "docs")
PATH = re.compile(rf"(?<![\w./~-])(?:{'|'.join(FOLDERS)})/[\w./<>*-]*(?<![.])")
FILE_NAME = re.compile(r"[\w./-]+\.(?:py|sh|md|yaml|sbatch)|[\w./-]+/")
SCRIPT = re.compile(r"\b(?:bash|sbatch) ([\w./<>-]+\.(?:sh|sbatch))")
SYMBOL = re.compile(r"([\w/]+\.py):(\w+(?:\.\w+)*)")
DOTTED = re.compile(rf"(?:{'|'.join(FOLDERS[:4])})(?:\.\w+)+")
Complaints = Iterator[tuple[Quote, str]]  # what is quoted, and what is wrong with it


def links_that_mislead(page: Page, path: Path) -> Complaints:
    """Links to what is not there, and links that are called as another file is."""
    for link in page.links:
        target, _, anchor = link.target.partition("#")
        if ":" in target:
            continue
        file = (path.parent / target).resolve() if target else path
        if not file.exists():
            yield Quote(link.line, link.target), "leads nowhere"
        elif anchor and anchor not in Page(file.read_text("utf-8")).anchors:
            yield Quote(link.line, link.target), f"{file.name} has no such heading"
        name = link.text.strip("`")
        if FILE_NAME.fullmatch(name) and not f"/{target.rstrip('/')}".endswith(f"/{name.rstrip('/')}"):
            yield Quote(link.line, name), f"is the name of a link to {target}"


def files_called(name: str, root: Path) -> list[Path]:
    """The files of the repository whose paths are, or end in, ``name``; `<...>` stands for anything."""
    pattern = re.sub(r"<[^>]*>", "*", name).strip("/")
    if pattern.partition("/")[0] in FOLDERS:
        return list(root.glob(pattern))
    return [*root.glob(pattern), *(file for folder in FOLDERS for file in (root / folder).rglob(pattern))]


def paths_that_are_gone(page: Page, root: Path) -> Complaints:
    """Paths of the repository, scripts to run, and names of Python and shell files, that no file has."""
    for quote in [*page.spans, *page.links, *page.code_lines]:
        names = {*PATH.findall(quote.text), *SCRIPT.findall(quote.text)}
        if not isinstance(quote, Link):  # what a link is called, links_that_mislead looks at
            names |= set(re.findall(r"^[\w/]+\.(?:py|sh)(?=:|$)", quote.text))
        yield from ((Quote(quote.line, name), "no such file") for name in sorted(names) if not files_called(name, root))


def definitions(node: ast.AST) -> dict[str, ast.AST]:
    """What a module or a class defines, by name."""
    names: dict[str, ast.AST] = {}
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names[child.name] = child
        elif isinstance(child, (ast.Assign, ast.AnnAssign)):
            targets = child.targets if isinstance(child, ast.Assign) else [child.target]
            names |= {name.id: child for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return names


def defines(file: Path, symbol: str) -> bool:
    """Whether a file defines ``name`` or ``Class.name``; a method may be named without its class."""
    names = definitions(ast.parse(file.read_text("utf-8")))
    for owner, node in list(names.items()):
        if isinstance(node, ast.ClassDef):
            methods = definitions(node)
            names |= {f"{owner}.{name}": method for name, method in methods.items()} | methods
    return symbol in names


def symbols_that_are_gone(page: Page, root: Path) -> Complaints:
    """`file.py:name`, and `package.module.name`, that are not defined there."""
    for quote in [*page.spans, *page.code_lines]:
        for name, symbol in SYMBOL.findall(quote.text):
            if not any(defines(file, symbol) for file in files_called(name, root)):
                yield Quote(quote.line, f"{name}:{symbol}"), "not defined there"
        for dotted in DOTTED.findall(quote.text):
            whole, symbol = root / dotted.replace(".", "/"), dotted.rpartition(".")[2]
            homes = [whole.parent.with_suffix(".py"), whole.parent / "__init__.py"]
            is_module = whole.is_dir() or whole.with_suffix(".py").exists()
            if not is_module and not any(defines(file, symbol) for file in homes if file.exists()):
                yield Quote(quote.line, dotted), "no such module, and no such name in one"


PROGRAM = re.compile(r"meta-nmt-[\w-]+|fairseq-[\w-]+|python|bash|torchrun|sbatch")
FLAG = re.compile(r"--?[a-zA-Z][\w-]*")
RUN_WHOLE = ("extending.md",)  # its commands are run as they stand (tests/integration/test_extending.py)
HANDS_ON = {"tests/campaign.sh": list(CAMPAIGN), "recipes/slurm.sbatch": ["meta-nmt-train"]}  # their arguments


@dataclass(frozen=True)
class Command:
    """A command as a page quotes it. ``whole``: nothing is left out, so its program must accept it as it stands."""

    program: Program
    argv: tuple[str, ...]
    whole: bool

    def complaint(self) -> str:
        """What is wrong with it; nothing where that is the empty string."""
        if not is_there(self.program):
            return "no such program"
        unknown = {match[0] for word in self.argv if (match := FLAG.match(word))} - flags_of(self.program)
        if unknown:  # unless another flag brings it in, as that of an optimiser does
            unknown -= ask(self.program, self.argv).flags
        if unknown:
            return f"{' '.join(self.program)} has no {', '.join(sorted(unknown))}"
        return ask(self.program, self.argv).refusal if self.whole else ""


def commands(words: list[str], whole: bool) -> Iterator[Command]:
    """The command that ``words`` are, and those that it starts; none where they are no command."""
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    program, rest = "".join(words[:1]), words[1:]
    if program == "python" and rest[:1] == ["-m"] and len(rest) > 1:
        has_stage = rest[1] == "data_prep" and re.match("[a-z]", "".join(rest[2:3]))
        size = 4 if has_stage else 3
        yield Command(tuple(words[:size]), tuple(words[size:]), whole)
    elif program == "torchrun":
        at = rest.index("-m") if "-m" in rest else len(rest)
        yield Command((program,), tuple(rest[:at]), whole=False)
        yield from commands(["python", *rest[at:]], whole)
    elif program in ("bash", "sbatch"):
        for at, script in enumerate(rest):
            if script in HANDS_ON:
                yield from commands(HANDS_ON[script] + rest[at + 1 :], whole)
    elif program != "python" and PROGRAM.fullmatch(program):
        yield Command((program,), tuple(rest), whole)


def words_of(line: str) -> Iterator[tuple[list[str], bool]]:
    """The words of each command of a shell line, and whether none is left to the reader.

    Comments and redirections are left out.
    """
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # prose with an apostrophe
        return
    ends = [at for at, word in enumerate(words) if word in ("|", "&&")]
    for start, stop in pairwise([-1, *ends, len(words)]):
        part = list(takewhile(lambda word: word not in ("<", ">"), words[start + 1 : stop]))
        given = [word for word in part if word != "..."]
        yield given, given == part and not any(re.fullmatch("[A-Z]+", word) for word in given)


def commands_that_fail(page: Page) -> Complaints:
    """Commands whose program is not there, whose flags it does not know, or which it refuses where they are whole."""
    quoted = [*((quote, True) for quote in page.code_lines), *((quote, False) for quote in page.spans)]
    for quote, in_block in quoted:
        for words, whole in words_of(quote.text):
            for command in commands(words, whole and in_block):
                if complaint := command.complaint():
                    yield quote, complaint


def flags_that_are_gone(page: Page) -> Complaints:
    """Flags without a command that no program has; `--reset-*` and `--reset-` stand for all that begin so."""
    for quote in page.spans:
        for flag in FLAG.findall(quote.text) if quote.text.startswith("--") else []:
            if flag not in all_flags() and not (flag.endswith("-") and any(f.startswith(flag) for f in all_flags())):
                yield Quote(quote.line, flag), "no program has this flag"


def complaints(text: str, path: Path, root: Path = REPO) -> list[str]:
    """What is wrong with a page, a line each, but for what it says is past; and marks of the past without need."""
    page = Page(text)
    checks = [links_that_mislead(page, path), paths_that_are_gone(page, root), symbols_that_are_gone(page, root)]
    if path.name not in RUN_WHOLE:
        checks += [commands_that_fail(page), flags_that_are_gone(page)]
    own = set(re.findall(r"^```\w+\n# (\S+)$", text, re.MULTILINE))  # files that the page itself has
    listed = [(quote.line, " ".join(quote.text.split()), what) for check in checks for quote, what in check]
    wrong = [(line, quoted, what) for line, quoted, what in listed if quoted not in own]
    past = {quote.text: quote.line for quote in page.past}
    needless = past.keys() - {text for _, text, _ in wrong}
    lines = [f"line {line}: {text}: {what}" for line, text, what in wrong if text not in past]
    return lines + [f"line {past[text]}: {text}: is no past, or not quoted; the mark must go" for text in needless]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPO)))
def test_what_a_page_quotes_is_there(path: Path) -> None:
    wrong = complaints(path.read_text("utf-8"), path)
    assert not wrong, "\n".join([str(path.relative_to(REPO)), *wrong])


@pytest.mark.parametrize("path", WRAPPED, ids=lambda path: str(path.relative_to(REPO)))
def test_lines_are_wrapped(path: Path) -> None:
    lines = [line for line in path.read_text("utf-8").split("\n") if not line.startswith("|")]  # a row is one line
    assert not [line for line in lines if len(line) > 120], f"{path.name} has lines of more than 120 characters"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of a few files."""
    folder = tmp_path_factory.mktemp("repository")
    files = {
        "README.md": "# All of it\n",
        "docs/notes.md": "# The `theta` of it, twice\n",
        "meta_nmt/learners/one.py": "RATE: float = 1\n\n\nclass One:\n    def step(self): ...\n",
        "meta_nmt/cli/train.py": "",
        "recipes/ro-en.sh": "",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


RIGHT = """
[notes](docs/notes.md), [notes.md](docs/notes.md#the-theta-of-it-twice), [above](#all-of-it), [docs/](docs/),
![a picture](meta_nmt/learners/one.py), [elsewhere](https://example.org/gone.md), `DATA/docs/gone.json`, `report.md`,
`meta_nmt/learners/one.py:One.step`, `learners/one.py:step`, `one.py:RATE`, `meta_nmt.learners.one.One`, `--lr 1`,
`recipes/<xx>-en.sh`, `meta-nmt-adapt --learned-rule`, `python -m data_prep
STAGE`, `--reset-*`, `python -m`, it's `fairseq-train --user-dir`, `bash tests/campaign.sh --kills N`, `python -c 1`

    VARIABLE=~/x bash recipes/ro-en.sh                    # what it does
    meta-nmt-train data --save-dir runs/meta ...
    meta-nmt-translate --model models/ro < text.ro > text.en
    echo "one line" | meta-nmt-translate --model models/ro && meta-nmt-serve models/ro
    meta-nmt-train data --optimizer sgd --momentum 0.9 \\
        --meta-learner fomaml
    torchrun --nproc-per-node 8 -m meta_nmt.cli.train DATA --max-update 3
    python -m data_prep corpus --corpus FOLDER
    sbatch --nodes=4 recipes/slurm.sbatch DATA --save-dir runs/meta

```
meta-nmt-adapt --pairs yo-en.tsv --checkpoint meta.pt --out models/yo --max-update 7
```

1.  a list

    goes on: meta-nmt-gone
"""


def test_what_is_there_passes(root: Path) -> None:
    (root / "recipes/slurm.sbatch").touch()
    (root / "tests").mkdir(exist_ok=True)
    (root / "tests/campaign.sh").touch()
    assert complaints(RIGHT, root / "README.md", root) == []


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("[notes](docs/note.md)", "docs/note.md: leads nowhere"),
        ("![notes](docs/note.png)", "docs/note.png: leads nowhere"),
        ("[notes](docs/notes.md#theta)", "docs/notes.md#theta: notes.md has no such heading"),
        ("[note.md](docs/notes.md)", "note.md: is the name of a link to docs/notes.md"),
        ("`meta_nmt/one.py`", "meta_nmt/one.py: no such file"),
        ("`recipes/<xx>-de.sh`", "recipes/<xx>-de.sh: no such file"),
        ("`two.py`", "two.py: no such file"),
        ("    bash recipes/fi-en.sh", "recipes/fi-en.sh: no such file"),
        ("`bash fi-en.sh`", "fi-en.sh: no such file"),
        ("`meta_nmt/learners/one.py:Two`", "meta_nmt/learners/one.py:Two: not defined there"),
        ("`one.py:One.rate`", "one.py:One.rate: not defined there"),
        ("    theta' = step(theta)     learners/one.py:stepped", "learners/one.py:stepped: not defined there"),
        ("`meta_nmt.learners.two`", "meta_nmt.learners.two: no such module, and no such name in one"),
        ("`meta_nmt.learners.one.Two`", "meta_nmt.learners.one.Two: no such module, and no such name in one"),
        ("`meta-nmt-fetch`", "meta-nmt-fetch: no such program"),
        ("    python -m benchmarks.gone", "python -m benchmarks.gone: no such program"),
        ("`python -m data_prep provenance`", "python -m data_prep provenance: no such program"),
        ("`meta-nmt-train\n--meta-steps 3`", "meta-nmt-train --meta-steps 3: meta-nmt-train has no --meta-steps"),
        ("    meta-nmt-train ... --lr=1 --lrr=1", "meta-nmt-train ... --lr=1 --lrr=1: meta-nmt-train has no --lrr"),
        ("`meta-nmt-adapt --pair x.tsv`", "meta-nmt-adapt --pair x.tsv: meta-nmt-adapt has no --pair"),
        ("`fairseq-train --meta-lr 1`", "fairseq-train --meta-lr 1: fairseq-train has no --meta-lr"),
        (
            "`python -m data_prep fetch --in x`",
            "python -m data_prep fetch --in x: python -m data_prep fetch has no --in",
        ),
        ("`bash tests/campaign.sh --kill 3`", "bash tests/campaign.sh --kill 3: python -m campaign has no --kill"),
        ("    echo x | meta-nmt-translate --modell x", "meta-nmt-translate has no --modell"),
        ('![notes](docs/notes.md) <img src="docs/note.png">', "docs/note.png: leads nowhere"),
        ("    torchrun --nproc 2 -m meta_nmt.cli.train ...", "torchrun has no --nproc"),
        ("    torchrun -m meta_nmt.cli.train --lrr 1", "python -m meta_nmt.cli.train has no --lrr"),
        ("    meta-nmt-train data --optimizer mine", "argument --optimizer: invalid choice: 'mine'"),
        ("    meta-nmt-train data \\\n        --save-dir", "argument --save-dir: expected one argument"),
        ("    meta-nmt-report results", "the following arguments are required: --out"),
        ("`--ulr-top-ks 3`", "--ulr-top-ks: no program has this flag"),
        ("`one.py`\n\n<!-- past: one.py -->", "one.py: is no past, or not quoted; the mark must go"),
    ],
)
def test_what_is_gone_is_named(text: str, complaint: str, root: Path) -> None:
    wrong = complaints(f"# A page\n\n{text}\n", root / "README.md", root)
    assert any(complaint in line for line in wrong), f"{complaint!r} is not in {wrong}"
    assert all(line.startswith(f"line {5 if 'past' in text else 3}: ") for line in wrong), "the line that it stands on"


def test_what_is_marked_as_past_passes(root: Path) -> None:
    marks = "<!-- past: meta_nmt/two.py:Two -->\n<!-- past: meta_nmt/two.py -->\n<!-- past: meta-nmt-old\n--flag -->"
    assert complaints(f"{marks}\n`meta_nmt/two.py:Two` and `meta-nmt-old --flag`\n", root / "README.md", root) == []
