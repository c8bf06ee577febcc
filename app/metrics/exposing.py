"""Readings in the text that Prometheus reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from app.metrics import books, families
from app.metrics.families import Family, Kind, Reading, Series


def exposed(reading: Reading, *, accept: str) -> tuple[bytes, str]:
    """The text, and its content type, in the format that whoever scrapes prefers."""
    registry = CollectorRegistry()
    registry.register(_Told(reading))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


@dataclass(frozen=True, slots=True, eq=False)
class _Told(Collector):
    reading: Reading

    def describe(self) -> Iterator[Metric]:
        """Nothing beforehand: names are checked by a test, not at each scrape."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        for family in (*families.FAMILIES, *books.FAMILIES):
            if (series := self.reading.get(family.name)) is not None:
                yield _metric(family, series)


def _metric(family: Family, series: Series) -> Metric:
    match family.kind:
        case Kind.COUNTER:
            counter = CounterMetricFamily(family.name, family.told, labels=family.labels)
            for labels, numbers in series.items():
                counter.add_metric(labels, numbers[0])
            return counter
        case Kind.GAUGE:
            gauge = GaugeMetricFamily(family.name, family.told, labels=family.labels)
            for labels, numbers in series.items():
                gauge.add_metric(labels, numbers[0])
            return gauge
        case Kind.HISTOGRAM:
            histogram = HistogramMetricFamily(family.name, family.told, labels=family.labels)
            for labels, numbers in series.items():
                buckets = _buckets(family.bounds, numbers[:-1])
                histogram.add_metric(labels, buckets, sum_value=numbers[-1])
            return histogram


def _buckets(bounds: Sequence[float], counts: Sequence[float]) -> list[tuple[str, float]]:
    """Prometheus counts in each bucket what lies in those below it too."""
    names = [*(str(bound) for bound in bounds), "+Inf"]
    return list(zip(names, accumulate(counts), strict=True))
