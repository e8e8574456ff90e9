import type { Size } from './contest.ts';

export interface Workload {
  readonly title: string;
  readonly size: Size;
  /** What differs from it for `--quick`. */
  readonly quick?: Size;
  readonly rounds: number;
}

const SLOTS = 500;

/** In the order in which they run. */
export const WORKLOADS: Readonly<Record<string, Workload>> = {
  backlog: {
    title: 'One-task runs, all waiting when the runner starts',
    size: { runs: 20_000, tasks: 1, slots: SLOTS },
    quick: { runs: 4_000 },
    rounds: 5,
  },
  backlog_20_slots: {
    title: 'The same with 20 slots, the default',
    size: { runs: 20_000, tasks: 1, slots: 20 },
    quick: { runs: 4_000 },
    rounds: 3,
  },
  chains: {
    title: 'Runs of a 5-task chain, all in flight',
    size: { runs: 2_000, tasks: 5, slots: SLOTS },
    quick: { runs: 500 },
    rounds: 5,
  },
  chains_20_slots: {
    title: 'The same with 20 slots, the default',
    size: { runs: 2_000, tasks: 5, slots: 20 },
    quick: { runs: 500 },
    rounds: 3,
  },
  one_chain: {
    title: 'A chain of 5 tasks, one run at a time, from its start to its end',
    size: { runs: 300, tasks: 5 },
    quick: { runs: 50 },
    rounds: 5,
  },
  pick_up: {
    title: 'An idle runner, one task arrives: until the first line of the connector',
    size: { runs: 200 },
    quick: { runs: 50 },
    rounds: 5,
  },
  fan_1000: {
    title: '1 → 1,000 → 1',
    size: { width: 1_000, slots: SLOTS },
    rounds: 3,
  },
  fan_5000: {
    title: '1 → 5,000 → 1',
    size: { width: 5_000, slots: SLOTS },
    rounds: 3,
  },
  fan_10000: {
    title: '1 → 9,998 → 1, the widest workflow that can be registered',
    size: { width: 9_998, slots: SLOTS },
    quick: { width: 4_000 },
    rounds: 3,
  },
  layers_5: {
    title: '5 layers of 100 tasks, each with edges to all of the next',
    size: { width: 100, layers: 5, slots: SLOTS },
    rounds: 3,
  },
  layers_20: {
    title: '20 layers of 100 tasks, each with edges to all of the next',
    size: { width: 100, layers: 20, slots: SLOTS },
    quick: { layers: 10 },
    rounds: 3,
  },
  runners: {
    title: 'The same amount of work for one runner process and for two',
    size: { runs: 4_000, tasks: 5, slots: SLOTS },
    quick: { runs: 1_000 },
    rounds: 3,
  },
  idle: {
    title: 'What an idle runner costs',
    size: { seconds: 60 },
    quick: { seconds: 5 },
    rounds: 1,
  },
  burst: {
    title: 'A burst of one-task runs: memory, WAL, growth, and the rate from begin to end',
    size: { runs: 100_000, slots: SLOTS },
    quick: { runs: 10_000 },
    rounds: 1,
  },
  mails: {
    title: 'po_demo with real mails through two runner processes, and the same workflow hollow',
    size: { runs: 1_000, slots: 20 },
    quick: { runs: 200 },
    rounds: 3,
  },
  full: {
    title: 'A database full of finished runs of 5 tasks, against an empty one',
    size: { history: 1_000_000, slots: SLOTS },
    quick: { history: 20_000 },
    rounds: 1,
  },
  endurance: {
    title: 'Chains of 5 tasks at full speed for minutes, 2,000 in flight',
    size: { minutes: 10, slots: SLOTS },
    quick: { minutes: 0.5 },
    rounds: 1,
  },
};
