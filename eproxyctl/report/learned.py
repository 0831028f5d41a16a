"""What a proxy that learns made of its labels: which model, and what each feature does in it."""

from __future__ import annotations

import numpy as np
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from eproxyctl.fewshot.choice import Choice
from eproxyctl.fewshot.former import Ensemble
from eproxyctl.fewshot.models import Influence, Mixture, influences
from eproxyctl.report import markup
from eproxyctl.report.figures import Axes, Figure, Json, Sheet, axis, categories, shown
from eproxyctl.report.page import Block
from eproxyctl.report.reading import Run

SHOWN = 16


def learned(run: Run) -> list[Block]:
    """The choice of model and the influence of features, from proxy.yaml; nothing where nothing was learned."""
    choice = _choice(run)
    if choice is None:
        return []
    validated = [(name, value) for name, value in choice.validated.items()]
    blocks: list[Block] = [markup.paragraph(f"Learned: {choice.name}; {choice.reason}.")]
    if validated:
        caption = "Spearman's ρ on labels left out, cross-validated, of each model that was tried"
        blocks.append(markup.grid(caption, ("model", "ρ"), [(name, round(value, 3)) for name, value in validated]))
    found = _read(choice)
    return [*blocks, _influences(run, found)] if found else blocks


def _choice(run: Run) -> Choice | None:
    try:
        data = YAML(typ="safe", pure=True).load(run.text("proxy.yaml"))
        found = data.get("choice") if isinstance(data, dict) else None
        return TypeAdapter(Choice).validate_python(found, strict=False) if found else None
    except (YAMLError, ValidationError, ValueError):
        return None


def _read(choice: Choice) -> tuple[Influence, ...]:
    """Of a Gaussian process over the training architectures themselves, whose normal scores it keeps."""
    model = choice.model
    if isinstance(model, Ensemble):
        total = sum(map(abs, model.weights)) or 1.0
        pairs = zip(model.scales, model.weights, strict=True)
        found = [Influence(feature=s.name, weight=abs(w) / total, direction=float(np.sign(w))) for s, w in pairs]
        return tuple(sorted(found, key=lambda one: -one.weight))
    scales, points = list(model.scales), np.array(model.rows)
    if isinstance(model, Mixture) and model.priors:
        if not len(points):
            return ()
        known = {scale.name for scale in scales}
        extra = [i for i, scale in enumerate(model.priors) if scale.name not in known]
        scales += [model.priors[i] for i in extra]
        points = np.hstack([points, np.array(model.prior_rows)[:, extra]])
    features = {
        scale.name: np.interp(points[:, column], np.array(scale.scores), np.array(scale.values))
        for column, scale in enumerate(scales)
    }
    return influences(model, features)


def _influences(run: Run, found: tuple[Influence, ...]) -> Figure:
    top = found[:SHOWN]
    names = [one.feature for one in top]
    sheet = Sheet(
        f"{run.slug}-influences",
        {
            "feature": [one.feature for one in found],
            "weight": np.array([one.weight for one in found]),
            "direction": np.array([one.direction for one in found]),
        },
    )
    traces: list[dict[str, Json]] = []
    for more, colour, title in ((True, 0, "more is better"), (False, 1, "less is better")):
        own = [one for one in top if (one.direction >= 0) is more]
        if own:
            traces.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "panel": 0,
                    "name": title,
                    "colour": colour,
                    "x": [one.weight for one in own],
                    "y": [shown(one.feature) for one in own],
                    "customdata": [one.direction for one in own],
                    "hovertemplate": "%{y}: weight %{x:.3f}, ρ with the prediction %{customdata:.2f}<extra></extra>",
                }
            )
    sentence = (
        "How much the prediction changes where a feature's values are shuffled: 0 means that it does not matter. "
        "Colour says which way. A number and a proxy's name are a member's score; the rest is read from the key."
    )
    panel = Axes(axis("weight", rangemode="tozero"), categories(names))
    height = 50 + 24 * len(names)
    return Figure("", sentence, sheet, [panel], traces, height=height, legend=True)
