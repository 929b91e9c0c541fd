"""``imagelock why`` and ``imagelock tree``: who requires whom, with the specifier on every edge."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Iterator

from imagelock.app.files import load_lock, locate
from imagelock.cli.report import Report
from imagelock.lock.graph import ROOTS, Branch, Explanation, Node, nodes, tree, why
from imagelock.model.errors import ExitCode, UsageError
from imagelock.model.lock import BASE_ROOT, PYTHON_ROOT, SPEC_ROOT, Requirer

_ROOT_NAMES = {
    SPEC_ROOT: "the spec",
    BASE_ROOT: "the base",
    PYTHON_ROOT: "the interpreter",
}


def run_why(options: argparse.Namespace, report: Report) -> int:
    """Print one shortest path for each who requires the package."""
    lock = load_lock(locate(options.path, lock=options.lock).lock)
    found = why(lock, options.name)
    if not found:
        near = difflib.get_close_matches(options.name, {node.name for node in nodes(lock)}, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "see `imagelock show`"
        raise UsageError(f"the lock has no package '{options.name}'", hint=hint)
    report.value([_why_json(explanation) for explanation in found])
    for explanation in found:
        report.line(_titled(explanation.node))
        for chain in explanation.chains:
            report.line("  " + " → ".join(_steps(chain)))
    return ExitCode.DONE


def run_tree(options: argparse.Namespace, report: Report) -> int:
    """Print what each root asked for, and what that requires."""
    lock = load_lock(locate(options.path, lock=options.lock).lock)
    kinds = {options.kind} if options.kind else {"apt", "conda", "pip", "pip-build"}
    roots = [
        root
        for root in tree(lock)
        if root.kind in kinds and (options.base or root.name != BASE_ROOT)
    ]
    report.value(
        [
            {
                "root": root.name,
                "kind": root.kind,
                "packages": [_branch_json(b) for b in root.branches],
            }
            for root in roots
        ]
    )
    for root in roots:
        report.line(f"{root.kind}: {_ROOT_NAMES.get(root.name, root.name)}")
        for line in _branch_lines(root.branches, "", options.depth):
            report.line(line)
    return ExitCode.DONE


def _titled(node: Node) -> str:
    return f"{node.kind} {node.name} {', '.join(node.versions)}"


def _steps(chain: Iterable[Requirer]) -> Iterator[str]:
    for step in chain:
        if step.name in ROOTS:
            yield _ROOT_NAMES[step.name]
        else:
            yield f"{step.name} ({step.specifier})" if step.specifier else step.name


def _why_json(explanation: Explanation) -> dict[str, object]:
    node = explanation.node
    return {
        "kind": node.kind,
        "name": node.name,
        "versions": list(node.versions),
        "platforms": [str(platform) for platform in node.platforms],
        "chains": [
            [{"name": step.name, "specifier": step.specifier} for step in chain]
            for chain in explanation.chains
        ],
    }


def _branch_json(branch: Branch) -> dict[str, object]:
    return {
        "name": branch.node.name,
        "versions": list(branch.node.versions),
        "specifier": branch.specifier,
        "repeated": branch.repeated,
        "requires": [_branch_json(below) for below in branch.branches],
    }


def _branch_lines(branches: tuple[Branch, ...], indent: str, depth: int) -> Iterator[str]:
    for number, branch in enumerate(branches, start=1):
        last = number == len(branches)
        wanted = f"  {branch.specifier}" if branch.specifier else ""
        again = "  (see above)" if branch.repeated else ""
        versions = ", ".join(branch.node.versions)
        yield f"{indent}{'└── ' if last else '├── '}{branch.node.name} {versions}{wanted}{again}"
        if depth > 1:
            below = indent + ("    " if last else "│   ")
            yield from _branch_lines(branch.branches, below, depth - 1)
