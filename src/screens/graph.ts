import type { Graph } from '../explain.ts';
import { colourOf, cut, glyphs, pad, printable, width } from '../terminal.ts';
import { type Display, mark, someOf } from './display.ts';
import { drawTree } from './tree.ts';

export const GRAPH_FORMATS = ['tree', 'mermaid', 'dot'] as const;
export type GraphFormat = (typeof GRAPH_FORMATS)[number];

/** The shape of a workflow, or of a run with its states: for the terminal, for a README, for Graphviz. */
export function graphScreen(graph: Graph, format: GraphFormat, display: Display): string {
  if (format === 'mermaid') return mermaid(graph);
  return format === 'dot' ? dot(graph) : tree(graph, display);
}

function tree({ workflow, version, run, tasks }: Graph, display: Display): string {
  // With nothing folded, all of them.
  const lines = drawTree(tasks, display, Number.POSITIVE_INFINITY).filter((line) => 'task' in line);
  const label = ({ prefix, task }: (typeof lines)[number]) => `${prefix}  ${task.name}`;
  const names = Math.max(0, ...lines.map((line) => width(label(line))));
  const drawn = lines.map((line) => {
    const { prefix, task } = line;
    const parents = display.isTerminal ? someOf(task.after) : task.after.join(', ');
    const after = task.after.length > 1 ? `  after ${parents}` : '';
    const state = task.state ? `  ${display.paint(pad(task.state, 7), colourOf(task.state))}` : '';
    const name = `${display.paint(prefix, 'dim')}${mark(task, display)} ${task.name}${' '.repeat(names - width(label(line)))}`;
    const does = display.paint(printable(`${task.connector}.${task.operation}`), 'dim');
    const whole = `${name}${state}  ${does}${after}`.trimEnd();
    return display.isTerminal ? cut(whole, display.width, glyphs(display).ellipsis) : whole;
  });
  return `${workflow} (version ${version})${run === null ? '' : `, run ${run}`}\n\n${drawn.join('\n')}\n`;
}

/** The fill of each state, legible on white and on black. */
const FILLS = {
  SUCCESS: '#c6efce',
  FAILED: '#ffc7ce',
  RUNNING: '#bdd7ee',
  READY: '#ffeb9c',
  PENDING: '#eeeeee',
} as const;

function mermaid({ tasks, run }: Graph): string {
  const ids = new Map(tasks.map(({ name }, index) => [name, `t${index + 1}`]));
  const nodes = tasks.map((task) => {
    const label = task.state ? `${task.name}<br/>${standing(task)}` : task.name;
    return `  ${ids.get(task.name)}["${label}"]${task.state ? `:::${task.state}` : ''}`;
  });
  const edges = tasks.flatMap(({ name, after }) =>
    after.map((parent) => `  ${ids.get(parent)} --> ${ids.get(name)}`),
  );
  const classes =
    run === null
      ? []
      : Object.entries(FILLS).map(
          ([state, fill]) => `  classDef ${state} fill:${fill},stroke:#666,color:#000`,
        );
  return `${['graph TD', ...nodes, ...edges, ...classes].join('\n')}\n`;
}

function dot({ workflow, tasks }: Graph): string {
  const nodes = tasks.map((task) => {
    if (!task.state) return `  "${task.name}";`;
    return `  "${task.name}" [label="${task.name}\\n${standing(task)}", style="rounded,filled", fillcolor="${FILLS[task.state]}"];`;
  });
  const edges = tasks.flatMap(({ name, after }) => after.map((parent) => `  "${parent}" -> "${name}";`));
  return `${[`digraph "${workflow}" {`, '  node [shape=box, style=rounded];', ...nodes, ...edges, '}'].join('\n')}\n`;
}

function standing({ state, skipped, reused_from }: Graph['tasks'][number]): string {
  if (reused_from !== null) return `${state} (reused)`;
  return skipped === null ? `${state}` : `${state} (skipped)`;
}
