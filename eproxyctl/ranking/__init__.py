"""How well scores rank architectures: statistics, and bootstrap intervals around them."""

from eproxyctl.ranking.intervals import Estimate, Sampled, difference, estimate, estimates, sampled
from eproxyctl.ranking.order import Floats
from eproxyctl.ranking.statistics import (
    PARTIAL,
    STATISTICS,
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
    "Sampled",
    "difference",
    "estimate",
    "estimates",
    "kendall",
    "ndcg",
    "partial_spearman",
    "ranked",
    "sampled",
    "shared_ranks",
    "spearman",
    "top_overlap",
    "top_rank",
    "top_regret",
    "weighted_tau",
]
