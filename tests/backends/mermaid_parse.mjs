// Parses Mermaid texts, a JSON list on stdin, with Mermaid itself; prints what it made of each.
// Usage: node mermaid_parse.mjs FOLDER, where FOLDER/node_modules has mermaid and jsdom.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(process.argv[2] + '/');
const { JSDOM } = require('jsdom');
const page = new JSDOM('<!DOCTYPE html><body></body>');
globalThis.window = page.window;
globalThis.document = page.window.document;
const place = process.argv[2] + '/node_modules/mermaid/dist/mermaid.core.mjs';
const mermaid = (await import(pathToFileURL(place))).default;
mermaid.initialize({ startOnLoad: false });

let input = '';
for await (const chunk of process.stdin) input += chunk;
const found = [];
for (const text of JSON.parse(input)) {
  const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
  found.push({
    nodes: [...db.getVertices().values()].map((node) => [node.id, node.text]),
    edges: db.getEdges().map((edge) => [edge.start, edge.end, edge.text]),
    clusters: db.getSubGraphs().map((cluster) => [cluster.id, cluster.title]),
  });
}
console.log(JSON.stringify(found));
