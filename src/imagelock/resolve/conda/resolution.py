"""One solve: what is asked for in, records with the reasons for each out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from imagelock.model.conda import parse_match_spec, required_name, required_specifier
from imagelock.model.lock import Requirer
from imagelock.resolve.conda.explain import no_solution
from imagelock.resolve.conda.ports import CondaProblem, CondaRecord, CondaSolver, Unsolvable


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenRecord:
    """A record of the solution, and who requires it."""

    record: CondaRecord
    required_by: tuple[Requirer, ...]


def resolve(
    roots: Iterable[tuple[str, str]], problem: CondaProblem, solver: CondaSolver
) -> tuple[ChosenRecord, ...]:
    """Solve, sorted by name. ``roots`` are pairs of a requirer and its match spec.

    They are the problem's specs. NoSolution, with the versions there are.
    """
    try:
        records = solver.solve(problem)
    except Unsolvable as error:
        raise no_solution(error.tree, problem, solver) from None
    edges = _edges(roots, {record.name: record for record in records})
    return tuple(
        ChosenRecord(record=record, required_by=tuple(sorted(edges[record.name])))
        for record in records
    )


def _edges(
    roots: Iterable[tuple[str, str]], records: Mapping[str, CondaRecord]
) -> dict[str, set[Requirer]]:
    edges: dict[str, set[Requirer]] = {name: set() for name in records}
    for requirer, text in roots:
        spec = parse_match_spec(text)
        channel = f"{spec.channel}::" if spec.channel else ""
        specifier = " ".join(filter(None, (channel, spec.specifier)))
        edges[spec.name].add(Requirer(name=requirer, specifier=specifier))
    for record in records.values():
        for text in record.depends:
            name = required_name(text)
            if name in edges and name != record.name:
                edge = Requirer(name=record.name, specifier=required_specifier(text))
                edges[name].add(edge)
    return edges
