"""NAS-Bench-NLP: recurrent cells as recipes of linear maps, activations, sums, products and blends."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from pydantic import Field, PositiveInt

from eproxyctl.contracts import (
    FULL,
    Choice,
    Diagram,
    Drawable,
    Fidelity,
    Level,
    Look,
    Sized,
    Space,
    SpaceOptions,
    Vertex,
)
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.counting.nasbench_nlp import nasbench_nlp
from eproxyctl.spaces.diagrams import settled_vertices, times
from eproxyctl.spaces.recipe import (
    MAX_NODES,
    OPERATIONS,
    Node,
    Recipe,
    X,
    from_mapping,
    live,
    needed,
    reached,
    recipe_from_key,
    source_name,
    to_key,
)
from eproxyctl.spaces.traits import Ways, shared, step

if TYPE_CHECKING:
    from eproxyctl.contracts import Network

T = TypeVar("T")
LINEAR = {"lin_x_a": (True, 1), "lin_x_a_b": (True, 2), "lin_a_b": (False, 2), "lin_a_b_c": (False, 3)}
"""The linear maps a slot of the skeleton may hold: whether it reads x, and how many other inputs it takes."""
SLOT = LINEAR | {"blend": (False, 3), "tanh": (False, 1), "sigm": (False, 1), "leaky": (False, 1)}
SLOT |= {"sum": (False, 2), "prod": (False, 2)}
STATES = 3
LOOKS: dict[str, Look] = {"lin": "linear", "sum": "arithmetic", "prod": "arithmetic", "blend": "arithmetic"}
"""Of the operations that are no activations."""


class NasBenchNlpSpace(Space, Sized, Drawable):
    """NAS-Bench-NLP: recurrent cells given as recipes; the benchmark trained 14,322 as language models on PTB.

    A cell computes new states from the input x and the previous states h0, h1, h2; h0 is its output. Nodes are lin (a
    linear map of each input, summed, one bias), tanh, sigm, leaky (ReLU), sum, prod and blend (g·a + (1 − g)·b). A
    network is an embedding, layers of equal cells and a classifier. The space is open: any recipe of up to 40 nodes
    is an architecture; those drawn and searched have at most `nodes` nodes and three states. Nodes and states the
    output never depends on are left out of what is scored, never of the size.

    Inputs are sequences [B, C, L]. C is the vocabulary where they are one-hot tokens: the embedding is a matrix
    product, which then equals the official look-up. A record's num_params is met exactly for (10000, L) inputs and
    10,000 outputs: V·E + V for the embedding and the classifier, which shares its weights and adds a bias, and for each
    layer and lin its matrices and one bias; the last layer's states are as wide as the embedding. Dropout, which has
    no parameters, is left out.
    """

    kind = "nasbench-nlp"
    ranks = (1,)
    example = "lin.x.h0-lin.x.h0-sigm.1-sigm.2-prod.h0.3-lin.x.5-tanh.6-blend.4.h0.7~8"
    source = "Klyuchnikov et al., NAS-Bench-NLP, IEEE Access 2022"

    class Options(SpaceOptions):
        width: PositiveInt = Field(600, description="nhid, the width of the states in all layers but the last")
        embedding: PositiveInt = Field(400, description="emsize, the width of the embedding and of the last layer")
        layers: PositiveInt = Field(3, description="layers of equal cells, one on the other")
        nodes: int = Field(12, ge=3, le=MAX_NODES, description="most nodes of a drawn cell; records have up to 21")
        tied: bool = Field(True, description="classifier shares the embedding where outputs equal channels")

    options: Options

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        """A skeleton of `nodes` slots. Slot i has an operation and up to three inputs a, b, c among h0, h1, h2 and the
        slots before it; `h0`, `h1`, `h2` name the slot that becomes that state. What the output does not depend on is
        dropped, so cells of all sizes occur. An input the operation has already, and a slot that is another state
        already, stand for the next one; so all choices are valid but those that never read x.
        """
        parameters: dict[str, tuple[Choice, ...]] = {}
        for slot in range(self.options.nodes):
            parameters[f"op_{slot + 1}"] = tuple(SLOT)
            names = tuple(map(source_name, _sources(slot)))
            parameters |= {f"{letter}_{slot + 1}": names for letter in "abc"}
        slots = tuple(range(1, self.options.nodes + 1))
        return parameters | {f"h{k}": slots for k in range(STATES)}

    def encode(self, choices: Mapping[str, Choice]) -> str:
        parameters = self.parameters()
        for name, options in parameters.items():
            if name not in choices:
                raise InvalidArchitecture(f"no choice of '{name}'", hint="see `eproxyctl describe space nasbench-nlp`")
            if choices[name] not in options:
                known = ", ".join(map(str, options))
                raise InvalidArchitecture(f"'{name}' cannot be {choices[name]!r}", hint=f"one of {known}")
        nodes: list[Node] = []
        states: list[int] = []
        for slot in range(self.options.nodes):
            operation = str(choices[f"op_{slot + 1}"])
            reads_x, others = SLOT[operation]
            inputs = _inputs([str(choices[f"{letter}_{slot + 1}"]) for letter in "abc"[:others]], _sources(slot))
            nodes.append(("lin" if operation in LINEAR else operation, (X, *inputs) if reads_x else inputs))
        for k in range(STATES):
            state = int(choices[f"h{k}"]) - 1
            while state in states:
                state = (state + 1) % len(nodes)
            states.append(state)
        recipe = reached(Recipe(tuple(nodes), tuple(states)))
        if all(X not in inputs for _, inputs in recipe.nodes):
            raise InvalidArchitecture("the cell's output never depends on x", hint="let one of its lin nodes read x")
        return to_key(recipe)

    def choices(self, key: str) -> dict[str, Choice]:
        """Key → choices. Raises InvalidArchitecture for a cell outside the skeleton: more nodes than the option `nodes`
        or states than three, lin of other inputs, parts that the output never depends on, or one that never reads x.
        """
        recipe = recipe_from_key(key)
        choices = {name: options[0] for name, options in self.parameters().items()}
        for number, (operation, inputs) in enumerate(recipe.nodes, start=1):
            others = [source_name(source) for source in inputs if source != X]
            reads = (len(others) < len(inputs), len(others))
            linear = next((name for name, takes in LINEAR.items() if takes == reads), "lin")
            choices[f"op_{number}"] = linear if operation == "lin" else operation
            choices |= {f"{letter}_{number}": name for letter, name in zip("abc", others, strict=False)}
        free = [slot for slot in range(1, self.options.nodes + 1) if slot - 1 not in recipe.states]
        named = [*(state + 1 for state in recipe.states), *free]
        choices |= {f"h{k}": named[k] for k in range(max(len(recipe.states), STATES))}
        try:
            same = choices.keys() == self.parameters().keys() and self.encode(choices) == to_key(recipe)
        except InvalidArchitecture:
            same = False
        if not same:
            raise InvalidArchitecture(
                f"{key} is outside the skeleton that choices describe",
                hint=f"it has {len(recipe.nodes)} nodes, {len(recipe.states)} states; the option nodes is "
                f"{self.options.nodes}; all parts must reach the output",
            )
        return choices

    def parse(self, notation: object) -> str:
        """The key, whatever the order of its nodes; a record of the benchmark; a bare recipe; or either as JSON."""
        if isinstance(notation, str):
            text = notation.strip()
            if not text.startswith("{"):
                return to_key(recipe_from_key(text))
            try:
                notation = json.loads(text)
            except (json.JSONDecodeError, RecursionError):
                raise InvalidArchitecture(f"not a recipe in JSON: {text[:80]}") from None
        if not isinstance(notation, Mapping):
            raise InvalidArchitecture(f"not a recurrent cell: {notation!r}", hint=f"write it as {self.example}")
        for field in ("recipe", "recepie"):
            inner = notation.get(field)
            if isinstance(inner, str) or (isinstance(inner, Mapping) and "op" not in inner):
                return self.parse(inner)
        return to_key(from_mapping(notation))

    def canonical(self, key: str) -> str:
        """The key of the live cell, in which equal weightless nodes are one."""
        return to_key(live(recipe_from_key(key)))

    def largest(self) -> str:
        """Every slot a lin of three inputs, all live. x is read once: a map of a state is never cheaper."""
        nodes: list[Node] = [("lin", (X, -2, -3))]
        nodes += [("lin", (-2, -3, i)) for i in range(self.options.nodes - 1)]
        return to_key(live(Recipe(tuple(nodes), (len(nodes) - 1, len(nodes) - 2))))

    def traits(self, key: str) -> dict[str, float]:
        """Of the live cell."""
        alive = live(recipe_from_key(key))
        counts = Counter(operation for operation, _ in alive.nodes)
        return {
            "nodes": float(len(alive.nodes)),
            "states": float(len(alive.states)),
            "matrices": float(sum(len(inputs) for operation, inputs in alive.nodes if operation == "lin")),
            "reads_x": float(sum(inputs.count(X) for _, inputs in alive.nodes)),
            **_paths(alive),
            **{f"count.{operation}": float(counts[operation]) for operation in OPERATIONS},
        }

    def diagram(self, key: str) -> Diagram:
        recipe, options = recipe_from_key(key), self.options
        living = needed(recipe)
        names = ["x", *(f"h{k}" for k in range(len(recipe.states)))]
        vertices = [
            Vertex(name, name, "input", detail="the input" if name == "x" else "the state before") for name in names
        ]
        arrows = []
        for i, (operation, inputs) in enumerate(recipe.nodes):
            name = source_name(i)
            vertices.append(Vertex(name, operation, LOOKS.get(operation, "activation"), detail=f"node {name}"))
            arrows += [(source_name(source), name) for source in inputs]
        for k, node in enumerate(recipe.states):
            vertices.append(
                Vertex(f"new {k}", f"new h{k}", "output", detail="the output" if k == 0 else "the next state")
            )
            arrows.append((source_name(node), f"new {k}"))
        outputs = [f"new {k}" for k in range(len(recipe.states)) if -2 - k in living]
        cell = settled_vertices("cell", vertices, arrows, sources=names, outputs=outputs)
        levels = [Level("embedding", options.embedding, None)]
        if options.layers > 1:
            levels.append(Level(times(options.layers - 1, "layer"), options.width, None))
        return Diagram((cell,), (*levels, Level("layer", options.embedding, None)))

    def build(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = True
    ) -> Network:
        from eproxyctl.networks.nasbench_nlp import RecurrentNetwork

        return self._made(RecurrentNetwork, key, shape, outputs, fidelity, pruned)

    def params_and_macs(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = False
    ) -> tuple[int, int]:
        return self._made(nasbench_nlp, key, shape, outputs, fidelity, pruned)

    def _made(
        self, make: Callable[..., T], key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity, pruned: bool
    ) -> T:
        """The network, or its size: of the same arguments."""
        recipe = live(recipe_from_key(key)) if pruned else recipe_from_key(key)
        return make(
            shape,
            outputs,
            nodes=recipe.nodes,
            states=recipe.states,
            width=fidelity.scale(self.options.width, fidelity.width),
            embedding=fidelity.scale(self.options.embedding, fidelity.width),
            layers=fidelity.scale(self.options.layers, fidelity.depth),
            tied=self.options.tied and outputs == shape[0],
        )


def _sources(slot: int) -> list[int]:
    """What a slot may read, in the order that decides which one is next."""
    return [*(-2 - k for k in range(STATES)), *range(slot)]


def _inputs(names: list[str], sources: list[int]) -> tuple[int, ...]:
    known = [source_name(source) for source in sources]
    taken: list[int] = []
    for name in names:
        place = known.index(name)
        while sources[place] in taken:
            place = (place + 1) % len(sources)
        taken.append(sources[place])
    return tuple(taken)


def _paths(recipe: Recipe) -> dict[str, float]:
    """Ways from inputs and previous states to the new h0, in lin nodes; the longest in nodes of any kind."""
    lin: list[Ways] = []
    every: list[Ways] = []
    for operation, inputs in recipe.nodes:
        for ways, length in ((lin, int(operation == "lin")), (every, 1)):
            ways.append(shared([ways[source] if source >= 0 else step(0) for source in inputs]).longer(length))
    end = recipe.states[0]
    return {"depth": float(every[end].most), **lin[end].traits("paths")}
