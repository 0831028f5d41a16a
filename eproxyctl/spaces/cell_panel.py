"""A cell of a genotype as it is drawn."""

from __future__ import annotations

from eproxyctl.contracts import Panel, Vertex
from eproxyctl.spaces.diagrams import operation_vertex, settled_vertices
from eproxyctl.spaces.genotype import GenotypeCell

INPUTS = ("last but one", "last cell")


def cell_panel_of(cell: GenotypeCell, title: str) -> Panel:
    """Two inputs, a sum for each node, an operation on each edge, and the nodes that are joined to the output."""
    vertices = [Vertex(str(i), text, "input", detail=f"output of the {text}") for i, text in enumerate(INPUTS)]
    arrows = []
    for position, (name, source) in enumerate(cell.edges):
        edge, node = f"edge {position}", str(position // 2 + 2)
        if position % 2 == 0:
            vertices.append(Vertex(node, "+", "value", detail=f"node {node}, a sum"))
        vertices.append(operation_vertex(edge, name))
        arrows += [(str(source), edge), (edge, node)]
    vertices.append(Vertex("out", "out", "output", detail="nodes, joined"))
    arrows += [(str(node), "out") for node in cell.concat]
    return settled_vertices(title, vertices, arrows, sources=["0", "1"], outputs=["out"])
