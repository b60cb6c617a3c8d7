"""`make mutants`: change the code at random places, one at a time, and list the changes that no test notices.

    python -m tests.mutants                          36 changes in training/ml and 36 in predictions
    python -m tests.mutants --count 10 training/ml/judge
    python -m tests.mutants --only predictions/keys/service.py:158

A change turns round a comparison, moves a constant by one, swaps a sign or a connective, or returns None. Constants that
only say how a chart looks are left out. The tests of the same feature run on a copy of the project, those first that
import the module. A test that fails, or that takes far longer than
usual, has noticed. What survives is either a missing assertion or no change of behaviour: look at each.
"""

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.support.site import ROOT

PLACES = ["training/ml", "predictions"]
COUNT = 36
SECONDS = 600  # of the tests of one feature
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}


# how thick, large or faint: to be looked at
LOOKS = {
    "alpha",
    "capsize",
    "dpi",
    "fontsize",
    "labelpad",
    "linewidth",
    "markersize",
    "pad",
    "padding",
    "zorder",
}
LOOKS |= {"margin", "opacity", "size", "width"}


@dataclass(frozen=True)
class Mutant:
    """A change of one expression in one file, by its position in the order of `ast.walk`."""

    path: str
    line: int
    number: int
    text: str

    def source(self) -> str:
        """The changed file."""
        tree = ast.parse((ROOT / self.path).read_text())
        _change(list(ast.walk(tree))[self.number])
        return ast.unparse(tree)


def _change(node: ast.AST) -> str:
    """Change a node in place; return what was changed, or nothing where there is nothing to change."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        comparison = type(node.ops[0])
        node.ops[0] = COMPARISONS[comparison]()
        return f"{comparison.__name__} to {COMPARISONS[comparison].__name__}"
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS and not _is_text(node):
        operator = type(node.op)
        node.op = OPERATORS[operator]()
        return f"{operator.__name__} to {OPERATORS[operator].__name__}"
    if isinstance(node, ast.BoolOp):
        is_and = isinstance(node.op, ast.And)
        node.op = ast.Or() if is_and else ast.And()
        return "and to or" if is_and else "or to and"
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
    ):
        number = node.value
        node.value = number + 1
        return f"{number} to {number + 1}"
    if isinstance(node, ast.Return) and node.value and not _is_none(node.value):
        node.value = ast.Constant(None)
        return "returns None"
    return ""


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _looks(node: ast.AST) -> Iterator[ast.AST]:
    """The constants of a look, as a keyword or a member."""
    if isinstance(node, ast.keyword) and node.arg in LOOKS and isinstance(node.value, ast.Constant):
        yield node.value
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in LOOKS and isinstance(value, ast.Constant):
                yield value


def mutants(place: str) -> Iterator[Mutant]:
    """Every change of the modules below a folder, or of one module."""
    root = ROOT / place
    for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
        name = path.relative_to(ROOT).as_posix()
        if "/migrations/" in name:
            continue
        nodes = list(ast.walk(ast.parse(path.read_text())))
        looks = {id(value) for node in nodes for value in _looks(node)}
        for number, node in enumerate(nodes):
            if id(node) not in looks and (text := _change(node)):
                yield Mutant(name, node.lineno, number, text)  # type: ignore[attr-defined]


def tests_of(path: str) -> list[str]:
    """The tests that have to notice a change of a module: its own file, those that import it, its folder or the nearest above."""
    module = Path(path)
    for feature in module.parents:
        folders = [ROOT / "tests" / kind / feature for kind in ("unit", "integration")]
        if there := [folder for folder in folders if folder.is_dir()]:
            break
    own = [file for folder in there if (file := folder / f"test_{module.stem}.py").exists()]
    imported = re.compile(
        rf"^(from|import) {re.escape('.'.join(module.with_suffix('').parts))}\b", re.MULTILINE
    )
    importing = [
        file
        for kind in ("unit", "integration")
        for file in sorted((ROOT / "tests" / kind).rglob("test_*.py"))
        if imported.search(file.read_text())
    ]
    return list(dict.fromkeys(str(place.relative_to(ROOT)) for place in [*own, *importing, *there]))


def is_noticed(mutant: Mutant, copy: Path) -> bool:
    """Whether a test of the copy fails with the change; the copy is as before afterwards."""
    changed = copy / mutant.path
    changed.write_text(mutant.source())
    try:
        return _fails(tests_of(mutant.path), copy)
    finally:
        shutil.copyfile(ROOT / mutant.path, changed)


def _fails(tests: list[str], copy: Path) -> bool:
    environment = {**os.environ, "CLFSITE_STATE_DIR": str(copy / "var" / "mutants")}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "--no-header", *tests]
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, check=False, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def copy_project(to: Path) -> Path:
    """A copy of what is tracked, and of the collected static files."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, to / name)
    shutil.copytree(ROOT / "var" / "static", to / "var" / "static")
    return to


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("places", nargs="*", default=PLACES, help="folders or modules")
    parser.add_argument(
        "--count", type=int, default=COUNT, help="changes of each place; default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", metavar="PATH:LINE", help="every change of one line")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.only:
        path, _, line = options.only.partition(":")
        chosen = [mutant for mutant in mutants(path) if mutant.line == int(line)]
    else:
        draw = random.Random(options.seed)  # noqa: S311
        chosen = []
        for place in options.places:
            found = list(mutants(place))
            chosen += draw.sample(found, min(options.count, len(found)))
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.jobs):
            copies.put(copy_project(Path(folder) / str(number)))

        def judge(mutant: Mutant) -> bool:
            copy = copies.get()
            try:
                noticed = is_noticed(mutant, copy)
            finally:
                copies.put(copy)
            print(
                f"{'noticed ' if noticed else 'SURVIVED'} {mutant.path}:{mutant.line} {mutant.text}",
                flush=True,
            )
            return noticed

        with ThreadPoolExecutor(options.jobs) as pool:
            noticed = sum(pool.map(judge, chosen))
    print(f"{noticed} of {len(chosen)} changes noticed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
