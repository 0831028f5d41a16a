"""What holds of proxies that can be tuned, read, made of others, or taught."""

from __future__ import annotations

import itertools
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from eproxyctl.contracts import (
    Choice,
    Composite,
    Costs,
    Features,
    Known,
    Learner,
    Proxy,
    ProxyOptions,
    Readable,
    Readout,
    Relative,
    Trace,
    Tunable,
)
from eproxyctl.errors import DataError
from eproxyctl.registry import kind_of
from eproxyctl.testing.observed import check_options
from eproxyctl.testing.proxy import Networks

COSTS = Costs(params=1_000, macs=20_000, params_max=10_000, macs_max=400_000)


class TunableConformance(Networks, ABC):
    """Tests of a proxy that DPS tunes; derive from it, name the class `Test…`, and define `proxy`."""

    points: ClassVar[int] = 5
    """Random settings that are tried."""
    scored: ClassVar[int] = 1
    """Of how many settings genes are changed one by one and scored; 0 where a score takes long."""

    @abstractmethod
    def proxy(self) -> Tunable:
        """The proxy that is tested."""

    def choices(self, seed: int) -> dict[str, Choice]:
        """A random setting."""
        draw = random.Random(seed)
        return {name: draw.choice(values) for name, values in self.proxy().parameters().items()}

    def test_parameters_are_choices(self) -> None:
        parameters = self.proxy().parameters()
        assert parameters, "parameters() is empty: there is nothing to tune"
        assert parameters == self.proxy().parameters(), "parameters() changes"
        for name, values in parameters.items():
            assert values, f"parameter {name!r} has no values"
            assert len(set(values)) == len(values), f"parameter {name!r} has a value twice"

    def test_any_choices_are_valid_options(self) -> None:
        for seed in range(self.points):
            proxy, choices = self.proxy(), self.choices(seed)
            options = proxy.encode(choices)
            assert isinstance(options, type(_proxy(proxy).options)), f"encode gives {type(options).__name__}"
            check_options(options, self.registry())
            again = self.proxy().encode(dict(reversed(choices.items())))
            assert _values(options) == _values(again), "encode changes for equal choices"
            remade: Any = type(proxy)
            assert remade(options).parameters() == proxy.parameters(), "parameters() change with what was chosen"
        settings = {self.proxy().encode(self.choices(seed)).model_dump_json() for seed in range(4 * self.points)}
        assert len(settings) > 1, "encode gives one setting for all choices"

    def test_genes_without_effect_do_not_count(self) -> None:
        """Settings that differ in their options, but score everything alike, are trials paid for twice."""
        if isinstance(self.proxy(), Composite):
            return
        made: Any = type(self.proxy())
        keys = self.keys()
        for seed in range(self.scored):
            choices = self.choices(seed)
            base = self.proxy().encode(choices)
            scores = [self.score(made(base), key) for key in keys]
            for name, values in self.proxy().parameters().items():
                others = [value for value in values if value != choices[name]]
                changed = [self.proxy().encode({**choices, name: value}) for value in others]
                counted = [options for options in changed if _values(options) != _values(base)]
                if counted:
                    tried = random.Random(name).sample(counted, min(2, len(counted)))
                    effect = any([self.score(made(o), key) for key in keys] != scores for o in tried)
                    assert effect, f"parameter {name!r} changes the options and no score: encode must leave it out"


class ReadableConformance(Networks, ABC):
    """Tests of a proxy with read-outs; derive from it, name the class `Test…`, and define `proxy`."""

    @abstractmethod
    def proxy(self) -> Readable:
        """The proxy that is tested."""

    def trace(self) -> Trace:
        """One trace that the proxy writes."""
        proxy = _proxy(self.proxy())
        traces = [self.score(proxy, key).trace for key in self.keys()]
        return max(traces, key=len)

    def test_read_outs_are_distinct(self) -> None:
        for mode in ("paper", "trace"):
            readouts = self.proxy().readouts(mode)
            assert readouts, f"readouts({mode!r}) is empty"
            assert len({repr(readout) for readout in readouts}) == len(readouts), f"readouts({mode!r}) has one twice"
            again = self.proxy().readouts(mode)
            assert list(map(repr, readouts)) == list(map(repr, again)), f"readouts({mode!r}) changes"

    def test_a_chosen_read_out_is_read_as_it_was_when_chosen(self) -> None:
        proxy, trace = self.proxy(), self.trace()
        made: Any = type(proxy)
        for readout in _spread(proxy.readouts("trace"), 20):
            options = proxy.with_readout(readout, COSTS.params_max, COSTS.macs_max)
            check_options(options, self.registry())
            chosen, told = made(options).read(trace, COSTS), proxy.read(trace, COSTS, readout)
            assert chosen == told or (math.isnan(chosen) and math.isnan(told)), (
                f"{readout.words()}: read gives {chosen} once chosen, and {told} before"
            )

    def test_read_outs_read_different_things(self) -> None:
        proxy, trace = self.proxy(), self.trace()
        values = {proxy.read(trace, COSTS, readout) for readout in proxy.readouts("paper")}
        assert any(math.isfinite(value) for value in values), "no read-out gives a number"
        assert len(values) > 1 or len(proxy.readouts("paper")) == 1, "all read-outs give one number"

    def test_what_diverged_is_not_a_number(self) -> None:
        value = self.proxy().read((), COSTS)
        assert not math.isfinite(value), f"an empty trace, of a network that diverged at once, is read as {value}"


class CompositeConformance(Networks, ABC):
    """Tests of a proxy made of others; derive from it, name the class `Test…`, and define `proxy`."""

    @abstractmethod
    def proxy(self) -> Composite:
        """The proxy that is tested."""

    def test_members_are_proxies(self) -> None:
        members = self.proxy().members()
        assert members, "members() is empty"
        for member in members:
            assert isinstance(member, ProxyOptions), f"a member is {type(member).__name__}, not the options of a proxy"
            made = self.registry().create("proxy", member)
            assert isinstance(made, Proxy), f"member {kind_of(member)!r} makes no proxy"
        again = self.proxy().members()
        assert list(map(_values, members)) == list(map(_values, again)), "members() changes"

    def test_it_scores_no_network_itself(self) -> None:
        proxy = _proxy(self.proxy())
        try:
            self.score(proxy, self.keys()[0])
        except TypeError:
            return
        raise AssertionError("a proxy made of others must raise TypeError in score: its members score")

    def test_it_says_how_members_become_one_value(self) -> None:
        proxy = self.proxy()
        assert isinstance(proxy, Relative | Readable), (
            "nothing reads its members' values: derive from Relative or Readable"
        )


class RelativeConformance(Networks, ABC):
    """Tests of a proxy that places architectures among each other; derive, name the class `Test…`, define `proxy`."""

    count: ClassVar[int] = 12
    """Architectures that are placed."""

    @abstractmethod
    def proxy(self) -> Relative:
        """The proxy that is tested; where it must learn first, one that has."""

    def traces(self) -> list[Trace]:
        """What it is given of `count` architectures: members' values at random, or its own traces."""
        proxy, draw = self.proxy(), random.Random(0)
        if isinstance(proxy, Composite):
            width = len(proxy.members())
            one = [tuple(draw.gauss(0, 1) for _ in range(width)) for _ in range(self.count)]
            return [tuple((v,) for v in row) if isinstance(proxy, Learner) else (row,) for row in one]
        keys = itertools.islice(self.space().sample(1), self.count)
        return [self.score(_proxy(proxy), key).trace for key in keys]

    def features(self) -> Features:
        """Sizes at random, a value an architecture."""
        return _features(self.count, 1)

    def test_places_do_not_depend_on_the_order(self) -> None:
        traces, features = self.traces(), self.features()
        places = self.proxy().place(traces, features)
        assert len(places) == len(traces), f"{len(traces)} architectures, but {len(places)} values"
        assert all(isinstance(value, float) and math.isfinite(value) for value in places), "a value is no finite float"
        assert len(set(places)) > 1, "all architectures have one value"
        order = random.Random(0).sample(range(len(traces)), len(traces))
        turned = {name: [values[i] for i in order] for name, values in features.items()}
        again = self.proxy().place([traces[i] for i in order], turned)
        for i, value in zip(order, again, strict=True):
            assert math.isclose(value, places[i], rel_tol=1e-6, abs_tol=1e-9), "values depend on the order"


class LearnerConformance(Networks, ABC):
    """Tests of a proxy that learns from labels; derive from it, name the class `Test…`, and define `proxy`."""

    count: ClassVar[int] = 12
    """Architectures it is taught."""

    @abstractmethod
    def proxy(self) -> Learner:
        """The proxy that is tested, which has learned nothing yet."""

    def known(self, count: int, seed: int) -> Known:
        """Features at random, and a value of each member."""
        proxy, draw = self.proxy(), random.Random(seed)
        width = len(proxy.members()) if isinstance(proxy, Composite) else 1
        traces = [tuple((draw.gauss(0, 1),) for _ in range(width)) for _ in range(count)]
        return Known(traces, _features(count, seed))

    def learned(self) -> ProxyOptions:
        """The options after it was taught that the metric grows with `size.params`."""
        known, every = self.known(self.count, 1), self.known(4 * self.count, 2)
        return self.proxy().learn(known, [math.log(v) for v in known.features["size.params"]], every)

    def test_before_it_has_learned_it_says_so(self) -> None:
        try:
            self.proxy().ready()
        except DataError:
            return
        raise AssertionError("ready() must raise DataError before anything was learned")

    def test_what_it_learned_is_in_its_options(self) -> None:
        options = self.learned()
        check_options(options, self.registry())
        assert _values(options) == _values(self.learned()), "learn gives something else for the same labels"
        made: Any = type(self.proxy())
        pupil, tested = made(options), self.known(30, 3)
        pupil.ready()
        values = pupil.place(tested.traces, tested.features)
        assert len(values) == 30, f"30 architectures, but {len(values)} values"
        assert all(math.isfinite(value) for value in values), "a prediction is not finite"
        rho = _spearman(values, tested.features["size.params"])
        assert rho > 0.3, f"taught that the metric is log size.params, it ranks by something else (ρ = {rho:.2f})"

    def test_a_prediction_depends_on_its_architecture_only(self) -> None:
        made: Any = type(self.proxy())
        pupil, tested = made(self.learned()), self.known(10, 3)
        values = pupil.place(tested.traces, tested.features)
        first = {name: numbers[:1] for name, numbers in tested.features.items()}
        alone = pupil.place(tested.traces[:1], first)[0]
        assert math.isclose(alone, values[0], rel_tol=1e-6, abs_tol=1e-9), "alone its value is another than among ten"


def _values(options: ProxyOptions) -> object:
    """What options say: a plugin that is read twice has two classes."""
    return options.model_dump()


def _proxy(capable: object) -> Proxy:
    assert isinstance(capable, Proxy), f"{type(capable).__name__} is no Proxy"
    return capable


def _features(count: int, seed: int) -> Mapping[str, Sequence[float]]:
    draw = random.Random(f"features {seed}")
    params = [math.exp(draw.uniform(8, 14)) for _ in range(count)]
    return {
        "size.params": params,
        "size.macs": [p * math.exp(draw.uniform(2, 4)) for p in params],
        "depth": [float(draw.randint(1, 9)) for _ in range(count)],
    }


def _spread(readouts: tuple[Readout, ...], count: int) -> tuple[Readout, ...]:
    return readouts[:: max(1, len(readouts) // count)]


def _spearman(one: Sequence[float], two: Sequence[float]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(one, two).statistic)
