"""Arguments in, report out: the only place that prints, and that knows exit codes.

Flow: ``parser`` reads the arguments, ``call`` calls one module of ``commands``, which calls a
use-case of ``imagelock.app`` and hands its result to ``report``.
"""

import sys

TYPE_CHECKING = False  # as `typing` has it, without importing it
if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 130


def main(arguments: "Sequence[str] | None" = None) -> int:
    """Run one command line; the exit code is that of the contract."""
    try:
        # Imported here, since somebody may press Ctrl-C meanwhile.
        from imagelock.cli.call import call

        return call(sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt:
        return _INTERRUPTED
