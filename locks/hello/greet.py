"""Says what the image is made of."""

import os
import platform

import numpy as np

print(os.environ["GREETING"], "| Python", platform.python_version(), "| numpy", np.__version__)
