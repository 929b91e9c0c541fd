"""``python -m imagelock``."""

import sys

from imagelock.cli import main

sys.exit(main())
