"""How often a route is tried, and how long to wait before the next try."""

import math
import random
from typing import Final

from adapters.models.faults import Fault, Remedy

ATTEMPTS_PER_ROUTE_MAX: Final = 3
_PAUSE_SECONDS: Final = 0.25


def pause_before_retry(fault: Fault, failures: int) -> float:
    """Infinite when no retry can help; else what the provider asks for, or a growing pause.

    The pause is drawn from a range, so that callers refused together do not return together.
    """
    if fault.remedy is not Remedy.RETRY:
        return math.inf
    if fault.retry_after_seconds is not None:
        return fault.retry_after_seconds
    return _PAUSE_SECONDS * 2.0 ** (failures - 1) * random.uniform(0.5, 1.5)  # noqa: S311
