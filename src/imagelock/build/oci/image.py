"""The image of one platform: its layers from the cache or made, its config and manifest."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from imagelock.build.oci.apt import AptBuilder, find_apt_layers
from imagelock.build.oci.assemble import assembled
from imagelock.build.oci.base import Base
from imagelock.build.oci.beside import Beside, Prepared, give_way
from imagelock.build.oci.cache import CachedLayer, LayerCache
from imagelock.build.oci.compare import LayerFile, layer_differences
from imagelock.build.oci.conda import CondaLayers, activated
from imagelock.build.oci.config import (
    base_epoch,
    runtime_config,
)
from imagelock.build.oci.context import BuildContext, MadeImage
from imagelock.build.oci.foreign import refuse_unrunnable
from imagelock.build.oci.interpreter import Occupied, room_for
from imagelock.build.oci.pure import PureLayers
from imagelock.build.oci.runs import RunBuilder, run_key
from imagelock.build.oci.sandbox import Sandbox, open_sandbox
from imagelock.build.oci.trees import Trees, links_at_root
from imagelock.layers.entries import EARLIEST
from imagelock.layers.merge import merged_usr
from imagelock.model.errors import BuildError
from imagelock.model.image import (
    BuiltLayer,
)
from imagelock.model.lock import Lock
from imagelock.model.plan import (
    AnyStep,
    AptStep,
    CondaStep,
    ConfigChange,
    CopyStep,
    ImagePlan,
    RunStep,
    SourceStep,
    SourceWheelStep,
    VenvStep,
    WheelsStep,
)

_PURE_THREADS: Final = 2
_PIP_STEPS: Final = (VenvStep, WheelsStep, SourceWheelStep)


class PlatformBuild:
    """The build of one platform; :meth:`run` once."""

    def __init__(
        self, lock: Lock, plan: ImagePlan, context: BuildContext, cache: LayerCache
    ) -> None:
        self._lock = lock
        self._plan = plan
        self._context = context
        self._cache = cache
        self._base = Base(plan, context)
        self._made: list[CachedLayer] = []
        self._steps: list[AnyStep] = []  # that each of them was made for
        self._sandbox: Sandbox | None = None
        self._room = Occupied()
        self._beside: Beside

    def refuse_unrunnable(self) -> None:
        """BuildError, before any work, when programs must run that this machine cannot run."""
        steps = self._plan.steps
        number = next((at for at, step in enumerate(steps) if step.runs_code), None)
        if number is None:
            return
        try:
            refuse_unrunnable(self._plan.platform, steps[number].title)
        except BuildError:
            if not self._is_made(number):
                raise

    def _is_made(self, number: int) -> bool:
        """Whether a step that runs code may have its layers already: all below it are there."""
        self._base.read()
        step = self._plan.steps[number]
        if number == 0 and isinstance(step, AptStep):
            return find_apt_layers(self._cache, step, self._below()) is not None
        return all(self._found(below) is not None for below in self._plan.steps[:number])

    def run(self) -> MadeImage:
        """Make what is not there yet. IntegrityError for wrong bytes, BuildError for the rest."""
        self._base.read()
        if not self._plan.bootstrapped:
            store, base = self._context.store, self._base
            self._room = room_for(self._plan, store, base.layers, base.blob)
        # What runs no code is made beside what does. Sandboxes start from this thread alone:
        # they die with the thread that started them.
        with ThreadPoolExecutor(_PURE_THREADS, initializer=give_way) as workers:
            self._beside = Beside(workers, self._prepared, self._pure, self._plan.steps)
            try:
                for number, step in enumerate(self._plan.steps):
                    if step.runs_code:
                        layers = self._in_sandbox(step)
                    else:
                        layers = self._beside.result(number)
                    for made in layers:
                        self._context.step_done(made.layer)
                        self._made.append(made)
                        self._steps.append(step)
            finally:
                workers.shutdown(cancel_futures=True)
                if self._sandbox is not None:
                    self._sandbox.close()
        return assembled(
            self._plan.platform,
            self._base,
            self._made,
            self._steps,
            config=self._config(),
            epoch=self._epoch(),
        )

    def pure_layers(self, step: AnyStep) -> tuple[CachedLayer, ...]:
        """The layers of one step that runs nothing, for builders that take them as they are."""
        self._base.read()
        return self._pure(step, self._prepared(step))

    def _prepared(self, step: AnyStep) -> Prepared:
        found = self._found(step)
        return self._files(step) if found is None else found

    def _pure(self, step: AnyStep, files: Prepared) -> tuple[CachedLayer, ...]:
        if isinstance(files, tuple):
            return files
        if isinstance(step, CondaStep):
            return CondaLayers(self._cache).build(step, files)
        if isinstance(step, WheelsStep):
            from imagelock.build.sources.agree import Agreement, check_wheels

            check_wheels(Agreement(self._lock, self._plan.platform), step, files)
        return self._maker(step).build(step, files)

    def _found(self, step: AnyStep) -> tuple[CachedLayer, ...] | None:
        """The layers of a step that runs nothing, where they were made before."""
        if isinstance(step, CondaStep):
            return CondaLayers(self._cache).find(step)
        return self._maker(step).find(step)

    def _maker(self, step: AnyStep) -> PureLayers:
        return PureLayers(
            cache=self._cache,
            folder=self._context.folder,
            aliases=self._aliases(step),
            occupied=self._room if isinstance(step, WheelsStep | SourceWheelStep) else Occupied(),
        )

    def _aliases(self, step: AnyStep) -> tuple[tuple[str, str], ...]:
        """The merged-/usr links of the image that a copy meets."""
        if isinstance(step, CopyStep):
            targets = {rule.target for rule in step.rules}
        elif isinstance(step, SourceStep):
            targets = {step.target}
        else:
            return ()
        known = dict(merged_usr(self._plan.platform.debian_architecture))
        met = {target.strip("/").partition("/")[0] for target in targets} & known.keys()
        if not met or self._plan.bootstrapped:
            return tuple((name, known[name]) for name in sorted(met))
        files = [
            (layer.descriptor, self._base.blob(layer.descriptor)) for layer in self._base.layers
        ]
        return links_at_root(files, met)

    def _in_sandbox(self, step: AnyStep) -> tuple[CachedLayer, ...]:
        if isinstance(step, AptStep):
            return self._apt(step)
        if isinstance(step, SourceWheelStep):
            return self._built(step)
        assert isinstance(step, RunStep)
        return self._run_commands(step)

    def _apt(self, step: AptStep) -> tuple[CachedLayer, ...]:
        below = self._below()
        found = find_apt_layers(self._cache, step, below)
        if found is not None:
            return found
        refuse_unrunnable(self._plan.platform, step.title)
        files = self._files(step)
        sandbox = self._opened_sandbox()
        builder = AptBuilder(
            cache=self._cache,
            sandbox=sandbox,
            trees=Trees(sandbox, self._base.blob),
            platform=self._plan.platform,
            meanwhile=self._beside.start,
        )
        return builder.build(step, below, files)

    def _built(self, step: SourceWheelStep) -> tuple[CachedLayer, ...]:
        from imagelock.build.sources.agree import Agreement
        from imagelock.build.sources.image import SourceBuilder, source_key

        below = self._below(pip=False)
        env = self._runtime_env()
        maker = self._maker(step)
        key = source_key(self._cache, step, below, env, maker.occupied)
        found = self._cache.find(key, step.title)
        if found is not None:
            return (*maker.cleared(step), found)
        refuse_unrunnable(self._plan.platform, step.title)
        files = self._files(step)
        sandbox = self._opened_sandbox()
        builder = SourceBuilder(
            store=self._context.store,
            cache=self._cache,
            sandbox=sandbox,
            trees=Trees(sandbox, self._base.blob),
            folder=self._context.folder,
            env=env,
            agreement=Agreement(self._lock, self._plan.platform),
            occupied=maker.occupied,
        )
        return (*maker.cleared(step), builder.build(step, below, files))

    def _run_commands(self, step: RunStep) -> tuple[CachedLayer, ...]:
        below = self._below()
        runtime = runtime_config(self._base.config, self._config())
        env = self._runtime_env()
        made = self._cache.find(run_key(self._cache, step, below, env), step.title)
        if made is not None and self._context.run_checked is None:
            return (made,)
        refuse_unrunnable(self._plan.platform, step.title)
        sandbox = self._opened_sandbox()
        builder = RunBuilder(
            cache=self._cache,
            sandbox=sandbox,
            trees=Trees(sandbox, self._base.blob),
            folder=self._context.folder,
            env=env,
            workdir=runtime.get("WorkingDir") or "/",
        )
        self._beside.start()
        made = made or builder.build(step, below, self._epoch())
        if self._context.run_checked is not None:
            self._check_run(made, builder.build(step, below, self._epoch(), again=True))
        return (made,)

    def _check_run(self, made: CachedLayer, again: CachedLayer) -> None:
        assert self._context.run_checked is not None
        one, other = (
            LayerFile(item.layer, self._base.blob(item.layer.descriptor)) for item in (made, again)
        )
        self._context.run_checked(layer_differences(self._plan.platform, one, other))

    def _runtime_env(self) -> tuple[tuple[str, str], ...]:
        runtime = runtime_config(self._base.config, self._config())
        return tuple(tuple(item.partition("=")[::2]) for item in runtime["Env"])

    def _opened_sandbox(self) -> Sandbox:
        self._sandbox = self._sandbox or open_sandbox(self._context.store.root)
        return self._sandbox

    def _epoch(self) -> int:
        """The newest time of the layers so far."""
        oldest = base_epoch(self._base.config) if self._base.config else EARLIEST
        return max((made.epoch for made in self._made if not made.empty), default=oldest)

    def _config(self) -> ConfigChange:
        """The plan's, and what the layers so far say a container's environment needs."""
        return activated(self._plan.config, (made.notes for made in self._made))

    def _files(self, step: AnyStep) -> Mapping[str, Path]:
        """The step's artifacts, read against their hashes: the store may have been damaged."""
        files = self._context.fetch(step.artifacts, self._lock.archives)
        for artifact in step.artifacts:
            self._context.store.verify(artifact.sha256)
        return files

    def _below(self, *, pip: bool = True) -> tuple[BuiltLayer, ...]:
        """The layers so far; ``pip`` tells whether those of pip packages are wanted."""
        made = tuple(
            made.layer
            for made, step in zip(self._made, self._steps, strict=True)
            if not made.empty and (pip or not isinstance(step, _PIP_STEPS))
        )
        return self._base.layers + made
