"""``imagelock build``: the image of a lock, to where the call says."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from imagelock.app.build import (
    BuildOrder,
    build,
    builder_name,
    chosen_platforms,
    order_of,
    plans,
    stored_layout,
)
from imagelock.app.context import Context
from imagelock.app.files import locate
from imagelock.app.record import rebuild_differences, record_images, unlike_records
from imagelock.cli.commands.common import flag, make_context, parse_platforms
from imagelock.cli.report import Report
from imagelock.model.errors import CheckFailed, ExitCode, UsageError
from imagelock.model.image import BuildResult, BuiltImage, BuiltLayer
from imagelock.model.platform import Platform

if TYPE_CHECKING:
    from imagelock.build.oci.compare import Difference

_MEGABYTE = 1_000_000
NOT_REPRODUCIBLE = "not reproducible: a run of this lock has a network"


def run(options: argparse.Namespace, report: Report) -> int:
    """Build every platform asked for, or show what would be done."""
    located = locate(options.path, lock=options.lock)
    order = order_of(located)
    platforms = chosen_platforms(order.lock, parse_platforms(options.platform))
    if not order.lock.reproducible:
        report.note(NOT_REPRODUCIBLE)
    context = make_context(report, offline=options.offline)
    _refuse_of_engines(options, order)
    output, push = _output(options, context, order)
    if options.dry_run:
        _show_plan(order, platforms, report, context=context, output=output, push=push)
        return ExitCode.DONE
    unlike: list[Difference] = []
    arrived: list[int] = []
    result = build(
        order,
        # An engine that keeps one platform a name takes its own, unless the call names others.
        platforms if options.platform or output != "docker" else (),
        output=output,
        context=context,
        builder=options.builder,
        layer_done=lambda layer: report.note(_layer_line(layer)),
        said=report.note,
        cache_from=options.cache_from,
        cache_to=options.cache_to,
        run_checked=unlike.extend if options.check_runs else None,
        arrived=arrived.append,
    )
    if unlike:
        raise CheckFailed(
            "runs are not the same when they are run again:"
            + "".join(f"\n  {difference}" for difference in unlike),
            where=order.reference,
            hint="take out what uses the clock, chance or the network",
        )
    built = tuple(image.platform for image in result.images)
    if options.check:
        _check(order, built, result, context)
    if options.record and record_images(located.lock, order, result, context=context):
        report.done(f"recorded in {located.lock}")
    if push:
        _push(order, Path(output.removeprefix("oci:")), context, options, report)
    report.value(result_json(result))
    for image in result.images:
        for notice in image.notices:
            report.note(f"{image.platform}: {notice}")
        report.line(f"{image.platform}  {image.manifest.digest}")
    report.line(f"{result.reference}@{result.index.digest}")
    report.note(_summary(result, sum(arrived)))
    report.done(_where_it_is(output, result, platforms))
    return ExitCode.DONE


def _refuse_of_engines(options: argparse.Namespace, order: BuildOrder) -> None:
    """UsageError for what only the embedded builder does: an engine would leave it undone."""
    name = builder_name(order, options.builder)
    if name == "oci":
        return
    if options.record or options.check:
        raise UsageError(
            f"--record and --check are about the digests of the builder 'oci', not of '{name}'",
            where="--builder",
            hint="add `--builder oci`, or compare the contents with `imagelock verify`",
        )
    given = {
        "--check-runs": options.check_runs,
        "--cache-from": options.cache_from,
        "--cache-to": options.cache_to,
    }
    for option in (option for option, value in given.items() if value):
        raise UsageError(
            f"{option} is for the builder 'oci', not for '{name}'",
            where="--builder",
            hint="add `--builder oci`; BuildKit's own cache is named in [builder] options",
        )


def _output(options: argparse.Namespace, context: Context, order: BuildOrder) -> tuple[str, bool]:
    """Where the image is written (the store's own layout without --output), and if it is pushed."""
    push = options.push or options.output == "registry"
    if options.output in {None, "registry"}:
        return f"oci:{stored_layout(context, order)}", push
    if push and not options.output.startswith("oci:"):
        raise UsageError(
            "--push goes with an OCI layout",
            where="--output",
            hint="leave --output away, or make it oci:DIR",
        )
    return options.output, push


def _where_it_is(output: str, result: BuildResult, platforms: tuple[Platform, ...]) -> str:
    if output != "docker":
        return f"wrote {output}"
    there = {image.platform for image in result.images}
    left = ", ".join(str(platform) for platform in platforms if platform not in there)
    note = f"; not {left}: this engine keeps one platform a name" if left else ""
    return f"loaded into {result.engine}: {result.reference}{note}"


def _summary(result: BuildResult, fetched: int) -> str:
    """What was reused and what had to be fetched and made."""
    layers = [layer for image in result.images for layer in image.layers]
    reused = sum(layer.cached for layer in layers)
    made = sum(layer.descriptor.size for layer in layers if not layer.cached)
    return (
        f"{reused} of {len(layers)} layers reused, {made / _MEGABYTE:.1f} MB made, "
        f"{fetched / _MEGABYTE:.1f} MB fetched"
    )


def _layer_line(layer: BuiltLayer) -> str:
    state = "reused" if layer.cached else "made"
    return f"  {state:>6}  {layer.descriptor.size / _MEGABYTE:8.1f} MB  {layer.title}"


def _check(
    order: BuildOrder, platforms: tuple[Platform, ...], result: BuildResult, context: Context
) -> None:
    differences = [
        *unlike_records(order, result),
        *map(str, rebuild_differences(order, platforms, context=context)),
    ]
    if differences:
        listed = "".join(f"\n  {difference}" for difference in differences)
        raise CheckFailed(
            f"the image is not the same when it is built again:{listed}",
            where=order.reference,
            hint="a [[run]] that uses the clock or the network is the usual reason",
        )


def _push(
    order: BuildOrder,
    layout: Path,
    context: Context,
    options: argparse.Namespace,
    report: Report,
) -> None:
    from imagelock.app.push import push_layout
    from imagelock.lock import encode_lock

    pushed = push_layout(
        layout,
        order.reference,
        context=context,
        lock=order.lock,
        lock_data=encode_lock(order.lock),
        force=options.force or flag("IMAGELOCK_FORCE_PUSH"),
    )
    report.done(f"pushed {pushed.reference}")


def result_json(result: BuildResult) -> dict[str, object]:
    """The contract's JSON of a build."""
    value: dict[str, object] = {
        "tag": result.tag,
        "reference": result.reference,
        "index_digest": result.index.digest,
        "images": [_image_json(image) for image in result.images],
    }
    return value | ({"engine": result.engine} if result.engine else {})


def _image_json(image: BuiltImage) -> dict[str, object]:
    return {
        "platform": str(image.platform),
        "manifest_digest": image.manifest.digest,
        "image_id": image.image_id,
        "diff_ids": [layer.diff_id for layer in image.layers],
        "notices": list(image.notices),
        "wheels": [{"name": str(wheel.name), "sha256": wheel.sha256} for wheel in image.wheels],
        "layers": [
            {
                "title": layer.title,
                "digest": layer.descriptor.digest,
                "size": layer.descriptor.size,
                "cached": layer.cached,
            }
            for layer in image.layers
        ],
    }


def _show_plan(
    order: BuildOrder,
    platforms: tuple[Platform, ...],
    report: Report,
    *,
    context: Context,
    output: str,
    push: bool,
) -> None:
    """What a build would do: its steps, what it would fetch, and where the image would go."""
    listed = plans(order, platforms)
    wanted = {artifact.sha256: artifact for plan in listed for artifact in plan.artifacts}
    missing = [item for key, item in wanted.items() if context.store.find(key) is None]
    size = sum(item.size for item in missing)
    report.value(
        {
            "tag": order.tag,
            "reference": order.reference,
            "reproducible": order.lock.reproducible,
            "output": output,
            "push": push,
            "fetch": {"artifacts": len(missing), "size": size},
            "images": [
                {
                    "platform": str(plan.platform),
                    "steps": [
                        {
                            "title": step.title,
                            "artifacts": len(step.artifacts),
                            "runs_code": step.runs_code,
                        }
                        for step in plan.steps
                    ],
                }
                for plan in listed
            ],
        }
    )
    report.line(f"would build {order.reference}")
    for plan in listed:
        report.line(f"{plan.platform}")
        for step in plan.steps:
            bytes_read = sum(artifact.size for artifact in step.artifacts) / _MEGABYTE
            count = len(step.artifacts)
            files = f"  ({count} artifacts, {bytes_read:.1f} MB)" if count else ""
            report.line(f"  {step.title}{files}")
    report.line(f"would fetch {len(missing)} artifacts, {size / _MEGABYTE:.1f} MB")
    where = "load it into the engine" if output == "docker" else f"write {output}"
    report.line(f"would {where}" + (f" and push {order.reference}" if push else ""))
