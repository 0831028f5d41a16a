"""How well scores rank architectures: statistics, and bootstrap intervals around them."""

from eproxyctl.ranking.intervals import Estimate, difference, estimate
from eproxyctl.ranking.statistics import (
    PARTIAL,
    STATISTICS,
    Floats,
    kendall,
    ndcg,
    partial_spearman,
    ranked,
    shared_ranks,
    spearman,
    top_overlap,
    top_rank,
    top_regret,
    weighted_tau,
)

__all__ = [
    "PARTIAL",
    "STATISTICS",
    "Estimate",
    "Floats",
    "difference",
    "estimate",
    "kendall",
    "ndcg",
    "partial_spearman",
    "ranked",
    "shared_ranks",
    "spearman",
    "top_overlap",
    "top_rank",
    "top_regret",
    "weighted_tau",
]
