"""Graphs written in Python: typed, and the same JSON as a canvas makes.

    from pilot.build import Graph, node
    from pilot.nodes.start import InputField

    with Graph("Triage") as graph:
        ticket = node.start("start", inputs=[InputField(name="text", type="string")])
        urgent = node.condition("urgent", expression="input.text.contains('fire')")
        page = node.llm("page", prompt_template="Wake the engineer: {input.text}")
        done = node.output("output")
        ticket >> urgent
        urgent.true >> page >> done
        urgent.false >> done

    graph.save("triage.json")

A constructor takes the fields of its node type's configuration model, so that a type checker and
an editor know them. `>>` makes edges in the order in which it stands; handles are attributes.
"""

from pilot.build import node
from pilot.build.graph import Body, Graph
from pilot.build.step import Step

__all__ = ["Body", "Graph", "Step", "node"]
