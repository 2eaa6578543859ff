// RUN: flowir-opt %s -t asyncio | filecheck %s
// RUN: flowir-opt %s -t asyncio -o %t.py && python %t.py --help | filecheck %s --check-prefix=HELP
// RUN: flowir-opt %s -t asyncio -o %t.py && python %t.py --question why --docs '["because", "so it is."]' --stand-in | filecheck %s --check-prefix=ANSWER

flow.agent @answer system "Be short." prompt "Question: {question}\nText: {c}" baseline <"small", temperature = 0.0>
flow.tool @shout impl "string:capwords" effect pure latency 0.1 concurrency 3

prim.graph @rag(%question: !flow.text, %docs: !prim.documents) -> !flow.text {
  %e = prim.embedding(%docs) part 1 of 1 engine "embedding" work <items = 2> : (!prim.documents) -> !prim.embeddings
  %i = prim.ingestion(%e) engine "vector store" work <items = 2> : (!prim.embeddings) -> !prim.index
  %q = prim.embedding(%question) engine "embedding" : (!flow.text) -> !prim.embeddings
  %c = prim.searching(%i, %q) top 2 engine "vector store" : (!prim.index, !prim.embeddings) -> !prim.chunks
  %early = prim.partial_prefilling @answer[system "Be short.", "Question: ", %question] config <"small", temperature = 0.0> at "answer" engine "llm" work <input = 7> : (!flow.text) -> !prim.kv
  %kv = prim.full_prefilling @answer(%early)["\nText: ", %c late] config <"small", temperature = 0.0> at "answer" engine "llm" work <input = 9, context = 7> : (!prim.kv, !prim.chunks) -> !prim.kv
  %a = prim.decoding @answer(%kv) config <"small", temperature = 0.0> at "answer" engine "llm" work <output = 5, context = 16> : (!prim.kv) -> !flow.text
  %loud = prim.tool @shout(%a) engine "@shout" : (!flow.text) -> !flow.text
  prim.return %loud : !flow.text
}

// CHECK:      """The workflow rag as primitives, compiled by flowir.
// CHECK:      8 primitives, each of which starts as soon as the values it reads are there.
// CHECK:          python rag.py --question … --corpus DIR --base-url http://localhost:8000/v1
// CHECK:      from flowir.runtime.primitives.command_line import main
// CHECK:      ANSWER = Agent("answer", "small", params={"temperature": 0.0})
// CHECK:      TOOLS = {"shout": "string:capwords"}
// CHECK:      ENGINES = {"@shout": BatchEngine("@shout", base_s=0.1, largest_batch=1, efficient_batch=1, slots=3)}
// CHECK:      def rag(g: Graph, question: Source, docs: Source) -> Source:
// CHECK:          e = g.embedding(docs, part=(1, 1), called="e", engine="embedding", work=Work(items=2))
// CHECK:          c = g.searching(i, q, top=2, called="c", engine="vector store")
// CHECK:          early = g.partial_prefilling(
// CHECK:              [system("Be short."), "Question: ", question],
// CHECK:          kv = g.full_prefilling(
// CHECK:              ["\nText: ", Piece(c, "list[text]")],
// CHECK:          a = g.decoding(
// CHECK:          loud = g.tool("shout", a, called="loud", engine="@shout")
// CHECK-NEXT:     return loud
// CHECK:      PROGRAM = written(rag, {"question": "text", "docs": "list[text]"})
// CHECK:          sys.exit(main(PROGRAM, __doc__, tools=TOOLS, engines=ENGINES))

// HELP: The workflow rag as primitives
// HELP: --question TEXT
// HELP: --corpus DIR
// HELP: --stand-in

// ANSWER: Nothing In The Text Answers That.
