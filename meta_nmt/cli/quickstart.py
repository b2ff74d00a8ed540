"""meta-nmt-quickstart: the whole job on generated languages and a real one, with what is installed, offline.

    meta-nmt-quickstart                  writes to outputs/quickstart/ in this folder
    meta-nmt-quickstart --dry-run        prints the commands

It generates languages, prepares the data, trains, adapts to a held-out language, and prints a BLEU table. Then it
adapts the starter that came with the package to Tagalog, from 600 pairs. What is finished is skipped when it is started
again. In a clone of the repository recipes/quickstart.sh is the same, and installs the package first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from data_prep.base.command_line import OneLineParser, writable_directory
from data_prep.base.extras import need
from meta_nmt.cli import command

PROG = "meta-nmt-quickstart"
PACKAGE = Path(__file__).resolve().parents[1]
# beside the package's own folders where it is installed; in a clone, beside the package
PLACES = (PACKAGE / "recipes", PACKAGE.parent / "recipes")


def parse_args(argv: Sequence[str]) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog=PROG, description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("outputs"), metavar="DIR", help="folder for all results (default: outputs)"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the commands, and run nothing")
    return parser.parse_args(argv)


def environment(out: Path, dry_run: bool) -> dict[str, str]:
    """The variables of the recipe: it takes the commands and the Python of this environment, and installs nothing."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    own = {"INSTALL": "0", "OUTPUTS": str(out.absolute()), "DRY_RUN": str(int(dry_run)), "PATH": programs}
    return {**os.environ, **own}


def body(argv: Sequence[str]) -> int:
    """Parse the flags and run the recipe; returns its exit status."""
    args = parse_args(argv)
    need("ctranslate2", "export", PROG)
    if not args.dry_run:
        writable_directory(args.out, "--out")
    script = next(folder / "quickstart.sh" for folder in PLACES if (folder / "quickstart.sh").is_file())
    return subprocess.run(["bash", str(script)], env=environment(args.out, args.dry_run)).returncode


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return command.run(body, PROG, argv, log_level="WARNING")


if __name__ == "__main__":
    raise SystemExit(main())
