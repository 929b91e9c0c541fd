"""The layer of a [[run]]: what its commands write over the layers below."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagelock.build.oci.cache import CachedLayer, LayerCache
from imagelock.build.oci.sandbox import Bind, Sandbox, Work
from imagelock.build.oci.secrets import Secrets, open_secrets
from imagelock.build.oci.trees import Trees
from imagelock.model.errors import BuildError
from imagelock.model.image import BuiltLayer
from imagelock.model.plan import RunStep

_TAIL: Final = 3000
_NETWORK_FILES: Final = ("/etc/resolv.conf", "/etc/hosts")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBuilder:
    """Runs commands on what lies below them. ``env`` and ``workdir`` are the image's."""

    cache: LayerCache
    sandbox: Sandbox
    trees: Trees
    folder: Path
    env: tuple[tuple[str, str], ...]
    workdir: str

    def build(
        self, step: RunStep, below: tuple[BuiltLayer, ...], epoch: int, *, again: bool = False
    ) -> CachedLayer:
        """Run the commands; BuildError with the end of their output when one fails.

        ``epoch`` is the newest time of the layers below, in seconds since 1970. ``again``: for
        a comparison only, not to be found by the next build.
        """
        secrets = open_secrets(step.secrets, self.folder)
        with self.sandbox.scratch() as scratch:
            work = self._work(step, secrets, below, epoch)
            code, output = self.sandbox.run(work, scratch)
            if code:
                raise BuildError(
                    f"a command failed (exit status {code}):\n"
                    f"{secrets.redacted(output)[-_TAIL:].strip()}",
                    where=step.title,
                    hint=_hint(step, output),
                )
            key = run_key(self.cache, step, below, self.env)
            if again:
                key = self.cache.key("run again", key)
            with self.sandbox.changes(work.lower, scratch, epoch=epoch) as changes:
                tar = secrets.checked(changes, step.title)
                return self.cache.make_from_tar(key, step.title, tar, lambda: (epoch, {}))

    def _work(
        self, step: RunStep, secrets: Secrets, below: tuple[BuiltLayer, ...], epoch: int
    ) -> Work:
        host = (Bind(source=Path(path), target=path) for path in _NETWORK_FILES)
        network = tuple(bind for bind in host if step.rule.network and bind.source.is_file())
        env = dict(self.env)
        env.setdefault("HOME", "/root")
        env["SOURCE_DATE_EPOCH"] = str(epoch)
        return Work(
            lower=self.trees.names(below),
            commands=(("/bin/sh", "-e", "-c", "\n".join(step.rule.commands)),),
            env=tuple(env.items()),
            binds=secrets.binds + network,
            network=step.rule.network,
            workdir=self.workdir,
        )


def run_key(
    cache: LayerCache,
    step: RunStep,
    below: tuple[BuiltLayer, ...],
    env: tuple[tuple[str, str], ...],
) -> str:
    """The key of a run's layer: the commands, their environment and all layers below."""
    pairs = [f"{key}={text}" for key, text in env]
    return cache.key("run", step.key, *pairs, *(layer.diff_id for layer in below))


def _hint(step: RunStep, output: str) -> str:
    offline = not step.rule.network
    if offline and any(word in output for word in ("resolve", "resolution", "unreachable")):
        return "commands have no network unless the [[run]] says `network = true`"
    return "commands run with /bin/sh -e as root, in the image built so far"
