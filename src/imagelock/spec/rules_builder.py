"""Rules for `[builder]` and `[source]`: what their keys must be together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from imagelock.model.spec import BuilderChoice, SourceMode, SourceRule
from imagelock.spec.findings import quoted
from imagelock.spec.rule import RuleBroken

OPTIONS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "oci": {"compression": ("gzip", "zstd", "none")},
}
"""The values of each option, of the builders that are known here; others check their own."""


def check_builder_options(builder: BuilderChoice) -> None:
    """Every option is one of the builder's, with a value it knows."""
    if builder.name not in OPTIONS:
        return
    known = OPTIONS[builder.name]
    for key, value in builder.options:
        if key not in known:
            msg = f"the builder {quoted(builder.name)} has no option {quoted(key)}"
            raise RuleBroken(msg, key="options", hint=f"known are {', '.join(known)}")
        if value not in known[key]:
            listed = ", ".join(map(repr, known[key]))
            msg = f"expected {key} to be one of {listed}, got {value!r}"
            raise RuleBroken(msg, key="options")


def check_entry(rule: SourceRule) -> None:
    """Entries say which modules are loaded, and nothing to another mode."""
    if rule.entry and rule.mode is not SourceMode.LOADED_MODULES:
        msg = f"expected none, since mode is {quoted(rule.mode)}"
        raise RuleBroken(msg, key="entry", hint='write mode = "loaded-modules"')
