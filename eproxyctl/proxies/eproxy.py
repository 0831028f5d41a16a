"""Eproxy: a few steps of regression on one minibatch through a frozen random layer.

Source: Li et al., "Extensible and Efficient Proxy for Neural Architecture Search", ICCV 2023, and its code
(GenNAS-Zero).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from eproxyctl.contracts import (
    Batches,
    Choice,
    Costs,
    Needs,
    Proxy,
    ProxyOptions,
    Readable,
    Readout,
    Score,
    Seed,
    Trace,
    Tunable,
)
from eproxyctl.proxies.eproxy_options import FEATURES, MAX_BRANCHES, Cost, EproxyOptions, EproxyReadout

if TYPE_CHECKING:
    from eproxyctl.contracts import Network
    from eproxyctl.proxies.losses import SyntheticTargets

KERNELS = (1, 3, 7)
CHANNELS = (16, 32, 64, 128, 256, 512)
LEVELS = (0.5, 1.0, 1.5, 2.0)
TRAINED_INITS = ("xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal")
LEARNING_RATES = tuple(round(0.1 * i, 1) for i in range(5, 16))
ALPHAS = (0.0, *(sign * round(0.1 * i, 1) for i in range(1, 6) for sign in (1, -1)))
DECAYS = (0.5, 1.0, 0.0)
EARLY = (1, 2)


class EproxyProxy(Proxy, Readable, Tunable):
    """Eproxy: the loss of a few training steps that regress synthetic targets through a frozen random barrier.

    The network without its classifier is trained on one minibatch by SGD. Each branch takes a feature map, resized to
    8×8, through a trained transform (convolution, ReLU, batch norm) and a frozen random convolution, the barrier, to
    a target made from a seed. No labels are used. The lower the loss at the last forward pass, the better.
    """

    kind = "eproxy"
    higher_is_better = False
    needs = Needs(gradients=True)

    Options = EproxyOptions
    options: EproxyOptions

    def __init__(self, options: ProxyOptions) -> None:
        super().__init__(options)
        self._targets: dict[int, SyntheticTargets] = {}

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        from eproxyctl.proxies.losses import draw_regression, losses

        targets = self._targets.get(seed.common)
        if targets is None or targets.source is not batches.inputs:
            targets = self._targets[seed.common] = draw_regression(batches.inputs, seed.common, self.options)
        trace = losses(network, targets, seed, self.options)
        final = trace[-1] if len(trace) == self.options.iterations else (math.nan,)
        return Score(sum(loss / 2**i for i, loss in enumerate(final)), trace)

    def work(self, macs: int, channels: tuple[int, ...], rank: int) -> float:
        """Network, transforms and barriers, at every iteration."""
        positions = self.options.map_size**rank
        heads = 0
        for branch, incoming in zip(self.options.branches, channels, strict=False):
            direct = self.options.barrier == "none"
            width = branch.target_channels if direct else branch.transform_channels
            heads += branch.transform_kernel**rank * incoming * width * positions
            if not direct:
                heads += branch.barrier_kernel**rank * width * branch.target_channels * positions
        return float(self.options.iterations * (macs + heads))

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        """The paper's trained space (supplement, table of settings): 1.1·10¹⁶ settings; α is a read-out, not here."""
        parameters: dict[str, tuple[Choice, ...]] = {
            "learning_rate": LEARNING_RATES,
            "init": TRAINED_INITS,
            "barrier_init": TRAINED_INITS,
            "branches": tuple(range(1, MAX_BRANCHES + 1)),
        }
        for i in range(MAX_BRANCHES):
            parameters[f"features_{i}"] = FEATURE_SETS
            parameters[f"transform_kernel_{i}"] = KERNELS
            parameters[f"barrier_kernel_{i}"] = KERNELS
            parameters[f"transform_channels_{i}"] = CHANNELS
            parameters[f"target_channels_{i}"] = CHANNELS
            parameters[f"level_{i}"] = LEVELS
        return parameters

    def encode(self, choices: Mapping[str, Choice]) -> ProxyOptions:
        """These options with the chosen settings. Branches beyond the chosen number leave no trace."""
        branches = [
            {
                "features": str(choices[f"features_{i}"]).split("+"),
                "transform_kernel": choices[f"transform_kernel_{i}"],
                "barrier_kernel": choices[f"barrier_kernel_{i}"],
                "transform_channels": choices[f"transform_channels_{i}"],
                "target_channels": choices[f"target_channels_{i}"],
                "level": choices[f"level_{i}"],
            }
            for i in range(int(choices["branches"]))
        ]
        chosen = {name: choices[name] for name in ("learning_rate", "init", "barrier_init")}
        return type(self.options).model_validate(self.options.model_dump() | chosen | {"branches": branches})

    def readouts(self, mode: str = "paper") -> tuple[EproxyReadout, ...]:
        """`paper`: every α at the last iteration. `trace`: every iteration, decay, cost, share and direction too.

        Simplest first. Shares and reversed losses are not mixed with cost: 20 labels cannot tell so many apart.
        """
        iterations: tuple[int | None, ...] = (None,)
        decays: tuple[float, ...] = (0.5,)
        own = self.options.readout.cost
        costs: tuple[Cost, ...] = (own,)
        if mode == "trace":
            iterations = (None, *range(self.options.iterations - 1, 0, -1))
            decays = DECAYS if len(self.options.branches) > 1 else (0.5,)
            costs = (own, "params" if own == "macs" else "macs")
        mixed = [
            EproxyReadout(iteration=iteration, decay=decay, alpha=alpha, cost=cost, cost_max=None)
            for cost in costs
            for iteration in iterations
            for decay in decays
            for alpha in ALPHAS
            if alpha or cost == own
        ]
        shaped = [
            EproxyReadout(iteration=iteration, decay=decay, early=early, reverse=reverse, cost=own, cost_max=None)
            for early in (None, *EARLY)
            for reverse in (False, True)
            for iteration in iterations
            for decay in decays
            if (early or reverse) and (early or 0) < (iteration or self.options.iterations)
        ]
        return (*mixed, *(shaped if mode == "trace" else ()))

    def with_readout(self, readout: Readout, params_max: int, macs_max: int) -> ProxyOptions:
        """With a cost mix, the cost of the largest architecture stands in the read-out from then on."""
        assert isinstance(readout, EproxyReadout)
        if readout.alpha:
            largest = float(macs_max if readout.cost == "macs" else params_max)
            readout = readout.model_copy(update={"cost_max": largest})
        return self.options.model_copy(update={"readout": readout})

    def read(self, trace: Trace, costs: Costs, readout: Readout | None = None) -> float:
        """NaN where the trace ended before the iteration asked for: the network diverged."""
        readout = readout or self.options.readout
        assert isinstance(readout, EproxyReadout)
        iteration = readout.iteration or self.options.iterations
        if iteration > len(trace):
            return math.nan
        loss = _loss(trace[iteration - 1], readout.decay)
        if readout.early is not None:
            before = _loss(trace[readout.early - 1], readout.decay) if readout.early <= len(trace) else math.nan
            loss = loss / before if before else math.nan
        if readout.reverse:
            loss = -loss
        if not readout.alpha:
            return loss
        cost, largest = (costs.macs, costs.macs_max) if readout.cost == "macs" else (costs.params, costs.params_max)
        return loss * (1 - readout.alpha * cost / (readout.cost_max or largest))


def _loss(errors: tuple[float, ...], decay: float) -> float:
    """Of one iteration."""
    return sum(error * decay**i for i, error in enumerate(errors))


def _feature_sets() -> tuple[str, ...]:
    """Every non-empty subset of the features, named by joining them with '+'."""
    subsets = range(1, 1 << len(FEATURES))
    return tuple("+".join(f for i, f in enumerate(FEATURES) if subset >> i & 1) for subset in subsets)


FEATURE_SETS = _feature_sets()
