"""Plans to read: written by hand, in the ways models write them, well and badly."""

from __future__ import annotations

from flowir.plan.signatures import Parameter, Signature

SEARCH = Signature("search", (Parameter("query", "text"),), "finds a page", pure=True)
MATH = Signature(
    "math", (Parameter("problem", "text"), Parameter("context", "list", required=False))
)
SPEAK = Signature("speak", (), "says something")
TURN = Signature("turn", (Parameter("angle", "number"), Parameter("way", "any", False)))
TOOLS = (SEARCH, MATH, SPEAK, TURN)

PLANS = [
    "",
    "\n\n",
    '1. search("a")\n2. join()<END_OF_PLAN>',
    '1. search("a")\n2. join()\n<END_OF_PLAN>\n3. search("b")',
    "1. search(In Cold Blood)\n2. search(Ender's Game (novel))\n3. join()\n",
    'Thought: both at once\n1. search("a (b")\n'
    '2. search(\'it\\\'s\')\nThought: now\n3. math("$1 / ${2}", ["$1", $2])\n4. join()',
    '1. search("a") # two words\n2. search(b # c) #d\n3. join() #end\n',
    '1. math("sum", [1, 2.5, -3e2, True, None, {"k": [(), (1,)]}])\n2. join()\n',
    '1. search("""first\nsecond "quoted" line\n""")\n2. join()\n',
    '1. math("a",\n  ["x",\n   "y"])\n2. join()\n',
    '1. search("never closed\n2. search("b")\n3. math("$1")\n4. join()\n',
    '1. search("a"\n2. search("b")\n3. join()\n',
    "1. search(bare and open\n2. join()\n",
    '1. serch("a")\n2. math("$1")\n3. join()\n',
    '1. fly("a")\n2. join()\n',
    '1. search("$2")\n2. search("$1")\n3. search($9)\n4. search($4)\n5. join()\n',
    '1. search("a")\n1. search("b")\n1. search("a")\n2. join()\n',
    '1. search("a", "b")\n2. search()\n3. search(query="a", query="b")\n'
    '4. search(q="a")\n5. join()\n',
    '1. turn(90)\n2. turn("90")\n3. turn(90, way=[])\n'
    '4. turn(angle=$1.x[0], way=$1["y z"])\n5. join()\n',
    '1. search(42)\n2. search([])\n3. join()\n',
    "1) search(a)\n- 2. search(b)\n**3.** search(c)\n```\nsearch(\"d\")\n```\n5. join()\n",
    '1. search("a") and then\n2. search("b") + "c")\n3. join()\n',
    "some words\n1. search(a)\nmore words",
    '1. search("\\u00e9\\x41\\n\\ud800\\U00110000")\r\n2. join()\r\n',
    '1. search("$5 and $$1 and $1")\n2. search("$1")\n3. search("a ${1[0].b} c $12")\n4. join()\n',
    "1. join()\n",
    "1. search(smile :) )\n2. search(a :( )\n3. join()\n",
    '1. search("' + "x" * 400 + '")\n2. join()\n',
    "1. math(" + "[" * 80 + "]" * 80 + ")\n2. join()\n",
    '1. turn(1e999)\n2. turn(' + "9" * 400 + ")\n3. turn(.5)\n4. turn(3rd)\n5. join()\n",
    '7. search("a")\n9. search("b")\n12. math("$7")\n13. join()',
    '1. search("a" "b")\n2. search("a",)\n3. search(\'\')\n'
    '4. search("")\n5. search("""""")\n6. join()\n',
    "1. speak()\n2. speak( )\n3. speak(\n)\n4. speak(x)\n5. join()\n",
    '1. math(problem="a", ["b"])\n2. math(context=[1], problem=$1)\n3. math(1, 2, 3)\n4. join()\n',
    "1. search(日本語 (東京))\n2. search(\"😀\")\n3. join()\n",
    "Thought: (1. search(\n1.search(a)\n 2 . search(b)\n3.  math (c)\n4.join()",
]  # fmt: skip
