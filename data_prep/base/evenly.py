"""Rows of a long text, evenly spaced, where reading all of them would take too long."""

import numpy as np


def evenly(lines: int, most: int) -> np.ndarray:
    """Row numbers: at most ``most`` of 0 to ``lines`` - 1, evenly spaced."""
    return np.arange(lines) if lines <= most else np.linspace(0, lines - 1, most).astype(int)
