"""The few-shot ranking model: a few labelled architectures and cheap features of all → a ranking of the others.

Features are whatever is known of every architecture: traits of the space, size, zero-cost scores, Eproxy's read-outs.
`pick` says which architectures to label, `fit` learns from the labels, `Model.predict` ranks.
"""

from eproxyctl.fewshot.choice import Choice, fit
from eproxyctl.fewshot.models import Ensemble, GaussianProcess, Influence, Member, Model, influences
from eproxyctl.fewshot.scores import Features, Scale, group, pick

__all__ = [
    "Choice",
    "Ensemble",
    "Features",
    "GaussianProcess",
    "Influence",
    "Member",
    "Model",
    "Scale",
    "fit",
    "group",
    "influences",
    "pick",
]
