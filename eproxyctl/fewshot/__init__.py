"""The few-shot ranking model: a few labelled architectures and cheap features of all → a ranking of the others.

Features are whatever is known of every architecture: traits of the space, size, zero-cost scores, Eproxy's read-outs.
Priors are those that are expected to rank in a known direction, above all other tasks' metrics.
`pick` says which architectures to label, `fit` learns from the labels, `Model.predict` ranks.
"""

from eproxyctl.fewshot.choice import Choice, fit
from eproxyctl.fewshot.former import Ensemble, GaussianProcess, Member
from eproxyctl.fewshot.learning import OTHER_TASKS
from eproxyctl.fewshot.models import Influence, Mixture, Model, Process, influences
from eproxyctl.fewshot.scores import Features, Scale, group, pick

__all__ = [
    "OTHER_TASKS",
    "Choice",
    "Ensemble",
    "Features",
    "GaussianProcess",
    "Influence",
    "Member",
    "Mixture",
    "Model",
    "Process",
    "Scale",
    "fit",
    "group",
    "influences",
    "pick",
]
