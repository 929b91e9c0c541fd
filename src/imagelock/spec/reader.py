"""Walk a parsed TOML document along the shape of a spec, collecting every finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, assert_never

from imagelock.model import spec as model
from imagelock.model.errors import SpecError
from imagelock.model.pip_spec import RequirementsFile
from imagelock.spec.findings import Finding, quoted
from imagelock.spec.other_locks.choosing import Choosing
from imagelock.spec.positions import KeyPath
from imagelock.spec.recorder import INVALID, TYPE_NAMES, Invalid, Recorder, did_you_mean
from imagelock.spec.rule import Rule, RuleBroken
from imagelock.spec.rules_apt import check_components
from imagelock.spec.rules_builder import check_builder_options, check_entry
from imagelock.spec.rules_conda import check_channels
from imagelock.spec.rules_gpu import with_driver, with_pytorch_index
from imagelock.spec.rules_pip import PIP_NAME
from imagelock.spec.rules_text import check_tag_format
from imagelock.spec.shapes import (
    Choice,
    Field,
    Files,
    Flag,
    NamedTexts,
    OneOf,
    Pairs,
    Shape,
    Table,
    Tables,
    Text,
    Texts,
    Words,
)
from imagelock.spec.unknown import unknown_key_hint

_CHECKS: Final[dict[type, Callable[[Any], None]]] = {
    model.Spec: lambda spec: check_tag_format(spec.tag_format, spec.name),
    model.CondaSpec: check_channels,
    model.AptSource: lambda source: check_components(source.suites, source.components),
    model.BuilderChoice: check_builder_options,
    model.SourceRule: check_entry,
}
"""What the fields of one table must be together."""

_FILLS: Final[dict[type, Callable[[Any], Any]]] = {
    model.GpuSpec: with_driver,
    model.Spec: with_pytorch_index,
}
"""What follows from the fields of one table, written out: a lock holds it."""


class Reader(Recorder):
    """Reads values and keeps what is wrong with them in ``findings``.

    ``read_requirements`` parses the requirements file at a path; it raises SpecError for
    problems in the file and RuleBroken when there is no reading it.
    """

    def __init__(self, read_requirements: Callable[[str, Choosing], RequirementsFile]) -> None:
        super().__init__()
        self._read_requirements = read_requirements

    def read_table(self, shape: Table, value: object, path: KeyPath, **given: object) -> Any:  # noqa: ANN401 (a value of shape.model)
        """A value of the shape's model, or None with findings; ``given`` are its defaults."""
        result = self._table(shape, value, path, given)
        return None if isinstance(result, Invalid) else result

    def _read(self, shape: Shape, value: object, path: KeyPath) -> object:  # noqa: C901 (a case each)
        result: object
        match shape:
            case Text() | Words():
                result = self._text(shape.rule, value, path)
            case Flag():
                result = self._flag(value, path)
            case Choice():
                result = self._choice(shape.choices, value, path)
            case Texts():
                result = self._texts(shape, value, path)
            case Files():
                result = self._files(shape, value, path)
            case Pairs():
                result = self._pairs(shape, value, path)
            case NamedTexts():
                result = self._named_texts(shape, value, path)
            case Table():
                result = self._table(shape, value, path, {})
            case Tables():
                result = self._tables(shape, value, path)
            case OneOf():
                result = self._one_of(shape, value, path)
            case _:
                assert_never(shape)
        return result

    def _flag(self, value: object, path: KeyPath) -> object:
        if isinstance(value, bool):
            return value
        hint = f"write {value}, without quotes" if value in ("true", "false") else ""
        return self._wrong(value, "a boolean", path, hint)

    def _text(self, rule: Rule, value: object, path: KeyPath) -> object:
        if not isinstance(value, str):
            return self._wrong(value, "a string", path)
        return self._apply(rule, value, path)

    def _apply(self, rule: Rule, text: str, path: KeyPath) -> object:
        try:
            return rule.apply(text)
        except RuleBroken as error:
            return self._broken(error, path)

    def _choice(self, choices: type[StrEnum], value: object, path: KeyPath) -> object:
        if not isinstance(value, str):
            return self._wrong(value, "a string", path)
        known = [choice.value for choice in choices]
        if value in known:
            return choices(value)
        message = f"expected one of {', '.join(map(repr, known))}, got {quoted(value)}"
        return self._found(path, message, did_you_mean(value, known))

    def _items(self, value: object, path: KeyPath, read: Callable[[Any, KeyPath], object]) -> Any:  # noqa: ANN401 (items of any type)
        if not isinstance(value, list):
            hint = "put it in brackets: […]" if isinstance(value, str) else ""
            return self._wrong(value, "an array", path, hint)
        items = [read(item, (*path, index)) for index, item in enumerate(value)]
        return INVALID if INVALID in items else items

    def _texts(self, shape: Texts, value: object, path: KeyPath) -> object:
        if shape.needed and value == []:
            return self._found(path, "expected at least one, got an empty array")
        items = self._items(value, path, lambda item, at: self._text(shape.rule, item, at))
        if isinstance(items, Invalid):
            return INVALID
        single = items if shape.repeats else list(dict.fromkeys(items))
        return tuple(single if shape.ordered else sorted(single))

    def _files(self, shape: Files, value: object, path: KeyPath) -> object:
        def read(item: object, at: KeyPath) -> object:
            if isinstance(item, dict):
                return self._chosen(shape, item, at)
            name = self._text(shape.rule, item, at)
            return self._file(name, at, Choosing()) if isinstance(name, str) else name

        items = self._items(value, path, read)
        if isinstance(items, Invalid):
            return INVALID
        return tuple(sorted(dict.fromkeys(items), key=lambda file: file.path))

    def _chosen(self, shape: Files, item: dict[str, object], path: KeyPath) -> object:
        """A lock, with the extras and groups that are wanted of it."""
        known = ("path", "extras", "groups")
        unknown = [key for key in item if key not in known]
        for key in unknown:
            hint = unknown_key_hint(key, path, known)
            self._found((*path, key), "unknown key", hint, at="key")
        if unknown:
            return INVALID
        name = self._text(shape.rule, item.get("path", ""), (*path, "path"))
        names = Texts(PIP_NAME, ordered=False, repeats=False, needed=False)
        extras = self._texts(names, item.get("extras", []), (*path, "extras"))
        groups = self._texts(names, item.get("groups", []), (*path, "groups"))
        if isinstance(name, str) and isinstance(extras, tuple) and isinstance(groups, tuple):
            return self._file(name, path, Choosing(extras=extras, groups=groups))
        return INVALID

    def _file(self, name: str, path: KeyPath, choosing: Choosing) -> object:
        try:
            return self._read_requirements(name, choosing)
        except RuleBroken as error:
            return self._broken(error, path)
        except SpecError as error:
            self.findings.append(Finding(path=path, inner=error.problems))
            return INVALID

    def _pairs(self, shape: Pairs, value: object, path: KeyPath) -> object:
        if not isinstance(value, dict):
            return self._wrong(value, "a table", path)
        pairs = [self._pair(shape, name, item, path) for name, item in sorted(value.items())]
        return INVALID if INVALID in pairs else tuple(pairs)

    def _pair(self, shape: Pairs, name: str, value: object, table: KeyPath) -> object:
        path = (*table, name)
        try:
            shape.key.apply(name)
        except RuleBroken as error:
            finding = Finding(path=path, message=error.message, hint=error.hint, at="key")
            self.findings.append(finding)
            return INVALID
        if type(value) not in shape.types:
            names = [TYPE_NAMES[kind] for kind in shape.types]
            wanted = f"one of {', '.join(names)}" if len(names) > 1 else names[0]
            return self._wrong(value, wanted, path)
        if isinstance(value, str) and self._apply(shape.value, value, path) is INVALID:
            return INVALID
        return name, value

    def _named_texts(self, shape: NamedTexts, value: object, path: KeyPath) -> object:
        if not isinstance(value, dict):
            return self._wrong(value, "a table", path)
        found: dict[object, object] = {}
        for written, item in sorted(value.items()):
            at = (*path, written)
            try:
                name = shape.key.apply(written)
            except RuleBroken as error:
                found[written] = self._found(at, error.message, error.hint, at="key")
                continue
            if name in found:
                message = f"expected each name once, got '{name}' in two spellings"
                self._found(at, message, at="key")
                return INVALID
            found[name] = self._texts(shape.value, item, at)
        return INVALID if INVALID in found.values() else tuple(sorted(found.items()))

    def _tables(self, shape: Tables, value: object, path: KeyPath) -> object:
        if isinstance(value, dict):
            header = ".".join(str(part) for part in path)
            hint = f"write [[{header}]], with two brackets each side"
            return self._found(path, "expected an array of tables, got a table", hint)
        items = self._items(value, path, lambda item, at: self._table(shape.item, item, at, {}))
        return INVALID if isinstance(items, Invalid) else tuple(items)

    def _one_of(self, shape: OneOf, value: object, path: KeyPath) -> object:
        if not isinstance(value, dict):
            return self._wrong(value, "a table", path)
        leading = [table.leading for table in shape.tables]
        present = [key for key in value if key in leading]
        if not present:
            hint = _nearest_key_hint(value, leading)
            message = f"expected one of {', '.join(map(repr, leading))}, got none"
            return self._found(path, message, hint)
        for key in present[1:]:
            message = f"expected one of {', '.join(map(repr, leading))}, got another beside '{present[0]}'"  # noqa: E501
            self._found((*path, key), message, at="key")
        chosen = next(table for table in shape.tables if table.leading == present[0])
        rest = {key: item for key, item in value.items() if key not in present[1:]}
        result = self._table(chosen, rest, path, {})
        return INVALID if present[1:] else result

    def _table(
        self, shape: Table, value: object, path: KeyPath, given: Mapping[str, object]
    ) -> object:
        if not isinstance(value, dict):
            is_array = isinstance(value, list) and all(isinstance(item, dict) for item in value)
            hint = f"write [{path[-1]}], with one bracket each side" if is_array else ""
            return self._wrong(value, "a table", path, hint)
        known = {field.key.toml: field for field in shape.fields}
        values: dict[str, object] = dict(given)
        for name, item in value.items():
            if field := known.get(name):
                values[field.key.attribute] = self._read(field.shape, item, (*path, name))
            else:
                hint = unknown_key_hint(name, path, tuple(known))
                self._found((*path, name), "unknown key", hint, at="key")
        missing = [field for name, field in known.items() if field.needed and name not in value]
        for field in missing:
            self._missing(field, path)
        if missing or INVALID in values.values() or not known.keys() >= value.keys():
            return INVALID
        return self._make(shape.model, values, path)

    def _make(self, kind: type, values: dict[str, object], path: KeyPath) -> object:
        result = kind(**values)
        try:
            if check := _CHECKS.get(kind):
                check(result)
            if fill := _FILLS.get(kind):
                result = fill(result)
        except RuleBroken as error:
            return self._broken(error, (*path, error.key) if error.key else path)
        return result

    def _missing(self, field: Field, path: KeyPath) -> None:
        name = field.key.toml
        hint = f"add {field.key.example}" if field.key.example else ""
        self._found(path, f"expected '{name}', which is missing", hint.replace("\n", " "))


def _nearest_key_hint(value: Mapping[str, object], known: list[str]) -> str:
    hints = (did_you_mean(key, known) for key in value)
    return next((hint for hint in hints if hint), 'add distribution = "debian:bookworm"')
