import type { WorkflowStatistics } from '../explain.ts';
import { duration, wrap } from '../terminal.ts';
import { type Display, grouped, shownTime } from './display.ts';
import { type Column, table } from './table.ts';

/** What can be run, and how it has been going. */
export function workflowsScreen(workflows: readonly WorkflowStatistics[], display: Display): string {
  if (!display.isTerminal) return table(workflows, columns(display), display);
  if (workflows.length === 0) return 'No workflow is registered yet. Register yours: npm run runner\n';
  const note = 'Success, p50 and p95: of the last 1,000 runs of each.';
  return `${table(workflows, columns(display), display)}\n${display.paint(wrap(note, display.width), 'dim')}\n`;
}

function columns(display: Display): Column<WorkflowStatistics>[] {
  return [
    { title: 'WORKFLOW', value: ({ workflow }) => workflow, shrinks: true },
    { title: 'VERSION', value: ({ version }) => String(version), align: 'right' },
    { title: 'TASKS', value: ({ tasks }) => String(tasks), align: 'right' },
    { title: 'RUNS', value: ({ runs }) => (display.isTerminal ? grouped(runs) : runs), align: 'right' },
    { title: 'SUCCESS', value: success, align: 'right' },
    { title: 'P50', value: ({ p50_ms }) => (p50_ms === null ? '' : duration(p50_ms)), align: 'right' },
    { title: 'P95', value: ({ p95_ms }) => (p95_ms === null ? '' : duration(p95_ms)), align: 'right' },
    {
      title: 'LAST RUN',
      value: ({ last_run, last_started_at }) =>
        last_started_at ? `${last_run}, ${shownTime(last_started_at, display)}` : '',
      shrinks: true,
    },
  ];
}

function success({ ended, completed }: WorkflowStatistics): string {
  return ended === 0 ? '' : `${((100 * completed) / ended).toFixed(1)} %`;
}
