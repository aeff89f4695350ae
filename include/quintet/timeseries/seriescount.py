"""How many distinct series there are, for the limit: hashes of those in blocks, sorted, and of new ones."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from quintet.timeseries.block import Block, series_hash
from quintet.timeseries.errors import CardinalityError, PointsRefusedError, TierError
from quintet.timeseries.model import METRIC, Labels

__all__ = ["SeriesCount"]

_LOG = logging.getLogger(__name__)


class SeriesCount:
    """Counts distinct series by their hashes (8 bytes each; two series with one hash count once)."""

    def __init__(self) -> None:
        self._stored: npt.NDArray[np.uint64] = np.empty(0, np.uint64)
        self._new: set[int] = set()

    def __len__(self) -> int:
        return len(self._stored) + len(self._new)

    def rebuild(self, blocks: Iterable[Block], heads: Iterable[Iterable[Labels]]) -> None:
        """Count anew from what the store holds."""
        hashes = [_hashes(block) for block in blocks]
        self._stored = np.unique(np.concatenate(hashes)) if hashes else np.empty(0, np.uint64)
        self._new = set()
        for labels in heads:
            self._new |= set(self._unknown([series_hash(one) for one in labels]))

    def _unknown(self, hashes: Sequence[int]) -> list[int]:
        if not hashes:
            return []
        wanted = np.array(hashes, np.uint64)
        places = np.searchsorted(self._stored, wanted)
        known = np.zeros(len(wanted), bool)
        inside = places < len(self._stored)
        known[inside] = self._stored[places[inside]] == wanted[inside]
        return [one for one, is_known in zip(hashes, known.tolist(), strict=True) if not is_known]

    def add(self, labels: Sequence[Labels], limit: int | None) -> None:
        """Count series of a batch.

        Raises:
            CardinalityError: they would be more than the limit; none is counted.
            PointsRefusedError: labels that are not canonical.

        """
        for one in labels:
            _check(one)
        fresh = set(self._unknown([series_hash(one) for one in labels])) - self._new
        if limit is not None and len(self) + len(fresh) > limit:
            first = next(one for one in labels if series_hash(one) in fresh)
            metric = next((value for name, value in first if name == METRIC), "")
            raise CardinalityError(metric, series=len(self), limit=limit)
        self._new |= fresh


def _hashes(block: Block) -> npt.NDArray[np.uint64]:
    try:
        return block.hashes()
    except TierError as error:  # its index is neither here nor there: too few series are counted until it is
        _LOG.warning("series are not counted: %s", error)
        return np.empty(0, np.uint64)


def _check(labels: Labels) -> None:
    names = [name for name, _ in labels]
    if not names or not all(name and value for name, value in labels) or names != sorted(set(names)):
        raise PointsRefusedError(f"labels {labels!r} are not canonical", remedy="Make them with labels_of")
    try:
        "".join(word for pair in labels for word in pair).encode()
    except UnicodeEncodeError as error:
        raise PointsRefusedError(f"labels {labels!r} are no Unicode text: {error}", remedy="Send UTF-8") from None
