"""What a person sees in the source of each graph; written by hand from reading it.

`START` and `END` are the ends. An edge is determinable where the source says it, in whatever form;
of a router that answers what a model wrote, it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

START, END = "__start__", "__end__"
MINI, FULL = "gpt-4o-mini", "gpt-4o"


@dataclass(frozen=True)
class Truth:
    """One graph.

    Attributes:
        nodes: each with the model it calls, "" for none.
        edges: `source > targets`, separated by commas.
        joins: nodes that wait for several, with those.
        branches: routers by the node they follow, with where they lead.
        loops: the nodes of each loop, with the number that bounds it, None for none.
        unseen: edges that the source does not say.
    """

    nodes: Mapping[str, str]
    edges: Mapping[str, str]
    joins: Mapping[str, str] = field(default_factory=dict)
    branches: Mapping[str, str] = field(default_factory=dict)
    loops: Mapping[str, int | None] = field(default_factory=dict)
    unseen: Mapping[str, str] = field(default_factory=dict)


TRUTH: dict[str, Truth] = {
    "react": Truth(
        {"llm_call": FULL, "tools": ""},
        {START: "llm_call", "llm_call": f"tools,{END}", "tools": "llm_call"},
        branches={"llm_call": f"tools,{END}"},
        loops={"llm_call,tools": None},
    ),
    "router": Truth(
        {"classify": MINI, "write_poem": MINI, "write_story": MINI, "write_joke": MINI},
        {
            START: "classify",
            "classify": "write_poem,write_story,write_joke",
            "write_poem": END,
            "write_story": END,
            "write_joke": END,
        },
        branches={"classify": "write_poem,write_story,write_joke"},
    ),
    "chain": Truth(
        {"generate": MINI, "improve": MINI, "polish": MINI},
        {START: "generate", "generate": f"improve,{END}", "improve": "polish", "polish": END},
        branches={"generate": f"improve,{END}"},
    ),
    "parallel": Truth(
        {"write_joke": MINI, "write_story": MINI, "write_poem": MINI, "combine": ""},
        {
            START: "write_joke,write_story,write_poem",
            "write_joke": "combine",
            "write_story": "combine",
            "write_poem": "combine",
            "combine": END,
        },
        joins={"combine": "write_joke,write_story,write_poem"},
    ),
    "evaluator": Truth(
        {"generator": MINI, "grade": MINI},
        {START: "generator", "generator": "grade", "grade": f"generator,{END}"},
        branches={"grade": f"generator,{END}"},
        loops={"generator,grade": None},
    ),
    "orchestrator": Truth(
        {"orchestrate": FULL, "write_section": MINI, "synthesize": ""},
        {
            START: "orchestrate",
            "orchestrate": "write_section",
            "write_section": "synthesize",
            "synthesize": END,
        },
        branches={"orchestrate": "write_section"},
    ),
    "map_reduce": Truth(
        {"list_subjects": MINI, "write_joke": MINI, "choose": MINI},
        {
            START: "list_subjects",
            "list_subjects": "write_joke",
            "write_joke": "choose",
            "choose": END,
        },
        branches={"list_subjects": "write_joke"},
    ),
    "reflection": Truth(
        {"generate": MINI, "criticise": "o3-mini"},
        {START: "generate", "generate": f"criticise,{END}", "criticise": "generate"},
        branches={"generate": f"criticise,{END}"},
        loops={"criticise,generate": 2},
    ),
    "plan_execute": Truth(
        {"plan": FULL, "execute": MINI, "replan": FULL},
        {START: "plan", "plan": "execute", "execute": "replan", "replan": f"execute,{END}"},
        branches={"replan": f"execute,{END}"},
        loops={"execute,replan": None},
    ),
    "corrective_rag": Truth(
        {
            "retrieve": "",
            "grade_documents": MINI,
            "rewrite": MINI,
            "web_search": "",
            "generate": MINI,
        },
        {
            START: "retrieve",
            "retrieve": "grade_documents",
            "grade_documents": "rewrite,generate",
            "rewrite": "web_search",
            "web_search": "generate",
            "generate": END,
        },
        branches={"grade_documents": "rewrite,generate"},
    ),
    "supervisor": Truth(
        {"supervisor": FULL, "researcher": MINI, "coder": MINI},
        {
            START: "supervisor",
            "supervisor": f"researcher,coder,{END}",
            "researcher": "supervisor",
            "coder": "supervisor",
        },
        loops={"coder,researcher,supervisor": None},
    ),
    "subgraphs": Truth(
        {"digest": "", "digest/extract": MINI, "digest/summarise": MINI, "entitle": MINI},
        {
            START: "digest",
            f"digest/{START}": "digest/extract",
            "digest/extract": "digest/summarise",
            "digest": "entitle",
            "entitle": END,
        },
    ),
    "human": Truth(
        {"write": MINI, "approve": "", "send": ""},
        {START: "write", "write": "approve", "approve": "send,write", "send": END},
        loops={"approve,write": None},
    ),
    "functional": Truth(
        {"joke": MINI, "poem": MINI, "merge": MINI, "revise": MINI},
        {
            START: "joke,poem",
            "joke": "merge",
            "poem": "merge",
            "merge": "revise",
            "revise": f"revise,{END}",
        },
        joins={"merge": "joke,poem"},
        loops={"revise": 2},
    ),
    "delegation": Truth(
        {"supervise": FULL, "research": MINI, "write": MINI},
        {
            START: "supervise",
            "supervise": f"research,write,{END}",
            "research": "supervise",
            "write": "supervise",
        },
        loops={"research,supervise,write": 4},
    ),
    "prebuilt": Truth(
        {"agent": FULL, "tools": ""},
        {START: "agent", "agent": f"tools,{END}", "tools": "agent"},
        branches={"agent": f"tools,{END}"},
        loops={"agent,tools": None},
    ),
    "nested": Truth(
        {"draft": MINI, "polish": MINI, "check": MINI, "review": MINI},
        {
            START: "draft",
            "draft": "polish",
            "polish": "check",
            "check": "polish,review",
            "review": f"draft,{END}",
        },
        branches={"check": "polish,review", "review": f"draft,{END}"},
        loops={"check,draft,polish,review": 3, "check,polish": 2},
    ),
    "computed": Truth(
        {"choose": MINI, "long": MINI, "short": MINI},
        {START: "choose", "long": END, "short": END},
        branches={"choose": ""},
        unseen={"choose": "long,short"},
    ),
}


def pairs(edges: Mapping[str, str]) -> set[tuple[str, str]]:
    """The edges of a table."""
    return {(source, target) for source, ends in edges.items() for target in ends.split(",")}
