import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Graph } from '../src/explain.ts';
import { graphScreen } from '../src/screens/graph.ts';
import { ascii, pipe, screen, task, underWay } from './support/screens.ts';

const graph: Graph = {
  workflow: 'invoice-intake',
  version: 3,
  run: null,
  tasks: underWay.tasks.map((one) => ({ ...one, state: null })),
};

test('a workflow is drawn as a tree, for Mermaid and for Graphviz', () => {
  assert.equal(
    graphScreen(graph, 'tree', ascii),
    screen(`
    invoice-intake (version 3)

    * read        mail.send
    |-* classify  mail.send
    |-* pages     mail.send
    |-* totals    mail.send
    * match       mail.send  after classify, pages, totals
    * notify      mail.send
    `),
  );
  assert.equal(
    graphScreen({ ...graph, tasks: graph.tasks.slice(0, 2) }, 'mermaid', pipe),
    screen(`
    graph TD
      t1["read"]
      t2["classify"]
      t1 --> t2
    `),
  );
  assert.equal(
    graphScreen({ ...graph, tasks: graph.tasks.slice(0, 2) }, 'dot', pipe),
    screen(`
    digraph "invoice-intake" {
      node [shape=box, style=rounded];
      "read";
      "classify";
      "read" -> "classify";
    }
    `),
  );
});

test('branches that come together inside others are drawn where they belong', () => {
  const tasks = [
    task('a', [], 'PENDING'),
    task('b', [], 'PENDING'),
    task('b1', ['b'], 'PENDING'),
    task('b2', ['b'], 'PENDING'),
    task('b3', ['b1', 'b2'], 'PENDING'),
    task('c', [], 'PENDING'),
    task('ab', ['a', 'b3'], 'PENDING'),
    task('end', ['ab', 'c'], 'PENDING'),
  ];

  assert.equal(
    graphScreen({ ...graph, tasks: tasks.map((one) => ({ ...one, state: null })) }, 'tree', ascii).split(
      '\n\n',
    )[1],
    screen(`
    |-* a     mail.send
    |-* b     mail.send
    | |-* b1  mail.send
    | |-* b2  mail.send
    | * b3    mail.send  after b1, b2
    |-* c     mail.send
    |-* ab    mail.send  after a, b3
    * end     mail.send  after ab, c
    `),
  );
});

test('a terminal is not left by a graph, however many parents a task has; a pipe gets all', () => {
  const parts = Array.from({ length: 1_000 }, (_, index) => `part${index}`);
  const tasks = [...parts.map((name) => task(name, [], 'PENDING')), task('end', parts, 'PENDING')];
  const wide = { ...graph, tasks: tasks.map((one) => ({ ...one, state: null })) };

  const [drawn, piped] = [{ ...ascii, width: 40 }, pipe].map((display) => graphScreen(wide, 'tree', display));

  assert.match(drawn ?? '', /^\* end {8}mail\.send {2}after part0, \.{3}\n$/m);
  assert.ok(piped?.endsWith('part998, part999\n'));
});

test('ten thousand tasks in one chain are drawn', () => {
  const chain = Array.from({ length: 10_000 }, (_, index) =>
    task(`t${index}`, index ? [`t${index - 1}`] : [], 'PENDING'),
  );

  assert.equal(graphScreen({ ...graph, tasks: chain }, 'tree', ascii).split('\n').length, 10_003);
});
