"""YAML whose scalars stay text: ``3.10`` is a version, not a number, and ``no`` is a word."""

from __future__ import annotations

from typing import Any

from imagelock.model.errors import UsageError


def yaml_table(text: str, *, where: str) -> dict[str, Any]:
    """A YAML mapping of strings, lists and mappings; a missing value is None.

    UsageError with the place of what is no YAML. Aliases are refused: a few lines of them make
    gigabytes. ``where`` names the file.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """Only ``null`` is more than text."""

        yaml_implicit_resolvers = {  # noqa: RUF012 (as the base class has it)
            first: [rule for rule in rules if rule[0] == "tag:yaml.org,2002:null"]
            for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 (PyYAML's)
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.constructor.ConstructorError(
                    None, None, "expected no alias: write the value out", mark
                )
            return super().compose_node(parent, index)

    try:
        value = yaml.load(text, Loader)  # noqa: S506 (a SafeLoader with fewer types)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        raise UsageError(f"not valid YAML: {error.problem or error.context}", where=place) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UsageError(f"not valid YAML: {reason}", where=where) from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UsageError("expected a table of names and values", where=where)
    return value


def texts(value: object, *, where: str) -> list[str]:
    """A list of strings; one string or nothing counts as such. UsageError for others."""
    items = [] if value is None else value if isinstance(value, list) else [value]
    found = [item for item in items if isinstance(item, str)]
    if len(found) != len(items):
        raise UsageError("expected a list of strings", where=where)
    return found


def pairs(value: object, *, where: str) -> dict[str, str]:
    """A table of strings. UsageError for others."""
    table = {} if value is None else value
    if not isinstance(table, dict):
        raise UsageError("expected a table of strings", where=where)
    found = {key: "" if item is None else item for key, item in table.items()}
    if not all(isinstance(item, str) for item in (*found, *found.values())):
        raise UsageError("expected a table of strings", where=where)
    return found
