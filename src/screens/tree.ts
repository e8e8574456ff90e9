import type { TaskState } from '../inspect.ts';
import { glyphs, width } from '../terminal.ts';
import { type Display, grouped } from './display.ts';

/** A task as it stands in a drawing. */
interface Node {
  readonly name: string;
  readonly after: readonly string[];
  readonly state: TaskState | null;
}

/** One line of the drawing: a task, or those that were folded away; and the branches to the left of it. */
export type Line<Task extends Node> =
  | { readonly prefix: string; readonly task: Task }
  | { readonly prefix: string; readonly folded: readonly Task[] };

/** Siblings beyond so many are folded, if all goes well with them. */
const SIBLINGS = 12;

/**
 * A DAG drawn as a tree, from top to bottom. Every task stands once, below the last task that all its paths go through:
 * what happens one after the other stays in one column, what can happen at the same time branches off. A task that
 * brings branches together follows below them, in their parent's column. Tasks are in topological order.
 */
export function drawTree<Task extends Node>(
  tasks: readonly Task[],
  display: Display,
  siblings = SIBLINGS,
): Line<Task>[] {
  const children = dominated(tasks);
  const { branch, last, trunk } = glyphs(display);
  const lines: Line<Task>[] = [];
  // With a stack of our own: ten thousand tasks may form one chain.
  const stack: Entry<Task>[] = [];
  const push = (parent: Task | undefined, below: string) => {
    const all = children.get(parent) ?? [];
    // The last one goes on in the same column if it brings the others together, or is the only one.
    const end = all.at(-1);
    const follows = end !== undefined && (all.length === 1 || end.task.after.length > 1) ? end : undefined;
    const beside = follows ? all.slice(0, -1) : all;
    const [shown, folded] = fold(beside, siblings);
    const entries = shown.map(({ task }, at): Entry<Task> => {
      const isLast = at === shown.length - 1 && folded.length === 0 && !follows;
      return {
        prefix: below + (isLast ? last : branch),
        below: below + (isLast ? ' '.repeat(width(trunk)) : trunk),
        task,
      };
    });
    if (folded.length > 0) {
      const away = folded.map(({ task }) => task);
      entries.push({ prefix: below + (follows ? branch : last), below, folded: away });
    }
    if (follows) entries.push({ prefix: below, below, task: follows.task });
    stack.push(...entries.reverse());
  };
  push(undefined, '');
  for (let entry = stack.pop(); entry; entry = stack.pop()) {
    lines.push(entry);
    if ('task' in entry) push(entry.task, entry.below);
  }
  return lines;
}

/** A line to be drawn, and what stands to the left of all lines below it. */
type Entry<Task extends Node> = Line<Task> & { readonly below: string };

interface Child<Task> {
  readonly task: Task;
  readonly isLeaf: boolean;
  /** It runs or has failed, or something below it. */
  readonly matters: boolean;
}

/** The index of what comes before all tasks. */
const ROOT = -1;

/** The children of each task in the dominator tree; those of no task are the beginnings. */
function dominated<Task extends Node>(tasks: readonly Task[]): Map<Task | undefined, Child<Task>[]> {
  const index = new Map(tasks.map(({ name }, at) => [name, at]));
  const dominator: number[] = [];
  const depth: number[] = [];
  for (const [at, { after }] of tasks.entries()) {
    const parents = after.map((name) => index.get(name) ?? ROOT);
    let common = parents[0] ?? ROOT;
    for (let other of parents.slice(1)) {
      while (common !== other) {
        if ((depth[common] ?? 0) >= (depth[other] ?? 0)) common = dominator[common] ?? ROOT;
        else other = dominator[other] ?? ROOT;
      }
    }
    dominator[at] = common;
    depth[at] = (depth[common] ?? 0) + 1;
  }
  const inner = new Set(dominator);
  const matters = new Set<number>();
  for (const [at, { state }] of [...tasks.entries()].reverse())
    if (matters.has(at) || state === 'RUNNING' || state === 'FAILED')
      matters.add(at).add(dominator[at] ?? ROOT);
  const children = new Map<Task | undefined, Child<Task>[]>();
  for (const [at, task] of tasks.entries()) {
    const parent = tasks[dominator[at] ?? ROOT];
    const siblings = children.get(parent) ?? [];
    siblings.push({ task, isLeaf: !inner.has(at), matters: matters.has(at) });
    children.set(parent, siblings);
  }
  return children;
}

/**
 * Those that are shown, and those that are folded away. What runs or has failed, and what leads to it, is always shown; of the
 * others, those that have something below them come first.
 */
function fold<Task extends Node>(
  all: readonly Child<Task>[],
  siblings: number,
): [Child<Task>[], Child<Task>[]] {
  if (all.length <= siblings + 1) return [[...all], []];
  const shown = new Set(all.filter(({ matters }) => matters));
  const others = all.filter(({ matters }) => !matters).sort((a, b) => Number(a.isLeaf) - Number(b.isLeaf));
  for (const child of others.slice(0, Math.max(0, siblings - shown.size))) shown.add(child);
  return [all.filter((child) => shown.has(child)), all.filter((child) => !shown.has(child))];
}

/** `4,988 more: 4,900 SUCCESS, 88 READY`; of a definition only how many. */
export function summarise(folded: readonly Node[]): string {
  const counts = new Map<string, number>();
  for (const { state } of folded) if (state) counts.set(state, (counts.get(state) ?? 0) + 1);
  const states = [...counts].map(([state, number]) => `${grouped(number)} ${state}`);
  return `${grouped(folded.length)} more${states.length > 0 ? `: ${states.join(', ')}` : ''}`;
}
