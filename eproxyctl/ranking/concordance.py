"""How often pairs of rows are ordered alike by two columns: what Kendall's τ and weighted τ are made of.

Both need, for every row i of every resample, Σⱼ sign(xᵢ − xⱼ) · sign(yᵢ − yⱼ) · copiesⱼ. The signs are those of the
columns, the same for all resamples, so up to BLOCK rows this is one matrix product. Beyond, rows are put in blocks by
x and in blocks by y, ties never in two. Pairs in one block of x, and pairs in one block of y only, are products of
BLOCK × BLOCK signs; all others are decided by their blocks, whose counts are summed over quadrants. That is
O(n · BLOCK + (n / BLOCK)²) for each resample, in whole numbers, which float32 holds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eproxyctl.ranking.order import Column, Counts, Places

BLOCK = 128
"""Rows whose pairs are compared one by one."""
Signs = NDArray[np.int8]


class Concordance:
    """The signs of two columns of n rows, prepared for any number of resamples."""

    def __init__(self, x: Column, y: Column) -> None:
        self._n = len(x)
        self._whole = _signs(x.group, y.group).astype(np.float32) if self._n <= BLOCK else None
        if self._whole is not None:
            return
        of_x, self._rows = _blocks(x)
        of_y, columns = _blocks(y)
        anywhere = np.arange(self._n)
        self._near = _Near(x.order, [_pairs(x, y, anywhere, rows) for rows in _split(x.order, of_x)])
        self._far = _Near(y.order, [_pairs(x, y, of_x, rows) for rows in _split(y.order, of_y)])
        self._cell: Places = of_x * columns + of_y
        self._by_cell: Places = np.argsort(self._cell, kind="stable")
        self._cells, self._starts = np.unique(self._cell[self._by_cell], return_index=True)
        self._columns = columns

    def sums(self, copies: Counts) -> Counts:
        """[n, r] copies → for each row the copies it is ordered alike with, less those it is ordered otherwise with."""
        if self._whole is not None:
            return _product(self._whole, copies)
        found = self._quadrants(copies).take(self._cell, axis=0)
        self._near.add(copies, found)
        self._far.add(copies, found)
        return found

    def _quadrants(self, copies: Counts) -> Counts:
        """[cells, r]: copies in the blocks above in both or below in both, less those above in one and below in one."""
        resamples = copies.shape[1]
        grid = np.zeros((self._rows * self._columns, resamples), dtype=np.float32)
        grid[self._cells] = np.add.reduceat(copies.take(self._by_cell, axis=0), self._starts, axis=0)
        square = grid.reshape(self._rows, self._columns, resamples)
        for _ in range(2):
            upto = square.copy()
            for i in range(1, len(upto)):
                upto[i] += upto[i - 1]
            square = (2 * upto - square - upto[-1]).swapaxes(0, 1)
        return square.reshape(grid.shape)


class _Near:
    """Pairs inside blocks that lie one behind the other in an order of the rows."""

    def __init__(self, order: Places, signs: list[Signs | int]) -> None:
        self._order, self._signs = order, signs
        self._back: Places = np.empty_like(order)
        self._back[order] = np.arange(len(order))

    def add(self, copies: Counts, found: Counts) -> None:
        """Add what the pairs of each block come to, to `found` [n, r]."""
        ordered = copies.take(self._order, axis=0)
        at = 0
        sums = np.zeros_like(ordered)
        for signs in self._signs:
            size = signs if isinstance(signs, int) else len(signs)
            if not isinstance(signs, int):
                sums[at : at + size] = _product(signs.astype(np.float32), ordered[at : at + size])
            at += size
        found += sums.take(self._back, axis=0)


def _product(signs: Counts, copies: Counts) -> Counts:
    """The matrix product; of one resample without BLAS, whose threads cost more than they save."""
    return np.asarray(np.einsum("ij,jr->ir", signs, copies) if copies.shape[1] == 1 else signs @ copies)


def _signs(x: Places, y: Places) -> Signs:
    """[b, b] of every pair of rows, by the groups of both columns: +1 ordered alike, −1 otherwise, 0 tied."""
    return np.asarray(np.sign(x[:, None] - x) * np.sign(y[:, None] - y), dtype=np.int8)


def _pairs(x: Column, y: Column, of: Places, rows: Places) -> Signs | int:
    """The signs of the rows of one block, 0 where two share a block of `of`; of a group alone its size: all are 0."""
    if len(rows) > BLOCK:
        return len(rows)
    signs = _signs(x.group[rows], y.group[rows])
    signs[of[rows][:, None] == of[rows]] = 0
    return signs


def _blocks(column: Column) -> tuple[Places, int]:
    """The block of each row, and how many there are: whole groups, at most BLOCK rows together or one group alone."""
    sizes = np.diff(np.append(column.starts, len(column)))
    block, filled = 0, 0
    numbers = np.empty(len(sizes), dtype=np.intp)
    for group, size in enumerate(sizes.tolist()):
        if filled and filled + size > BLOCK:
            block, filled = block + 1, 0
        numbers[group] = block
        filled += size
    return numbers[column.group], block + 1


def _split(order: Places, of: Places) -> list[Places]:
    """The rows of each block, in order."""
    return np.split(order, np.flatnonzero(np.diff(of[order])) + 1)
