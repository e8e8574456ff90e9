import { Option } from 'commander';
import type { Engine } from '../engine.ts';
import { didYouMean, UsageError } from '../errors.ts';
import type { Graph } from '../explain.ts';
import type { RunFilter, RunOverview, RunStatus, TaskDetails } from '../inspect.ts';
import { eventsScreen } from '../screens/events.ts';
import { GRAPH_FORMATS, type GraphFormat, graphScreen } from '../screens/graph.ts';
import { runScreen } from '../screens/run.ts';
import { runsScreen } from '../screens/runs.ts';
import { outputsScreen, taskScreen } from '../screens/task.ts';
import { whyScreen, whyTaskScreen } from '../screens/why.ts';
import { workflowsScreen } from '../screens/workflows.ts';
import { printable } from '../terminal.ts';
import type { Workflow } from '../workflow.ts';
import { collectStatuses, oneOf, pointInTime, runId, wholeNumber } from './arguments.ts';
import { loadDefinitions, noSuchRun, noSuchWorkflow, type Shell, say, show, showJson } from './shell.ts';

interface RunsOptions {
  readonly workflow?: string;
  readonly status?: RunStatus[];
  readonly since?: Date;
  readonly beforeRun?: string;
  readonly limit?: number;
  readonly task?: string;
  readonly outputs?: boolean;
  readonly events?: boolean;
  readonly json?: boolean;
}

/** Commands that only look: runs, why, graph, workflows. A workflow that is drawn may have to be registered first. */
export function addLookCommands(shell: Shell): void {
  shell
    .command('runs', 'shows what runs and what ran, or one run')
    .argument('[run]', 'the number of a run', runId)
    .option('--workflow <name>', 'only runs of this workflow')
    .option('--status <status>', 'only these: running, completed, failed, cancelled', collectStatuses)
    .option('--since <when>', 'started since: 2h (ago), 7d, 2026-11-22', pointInTime)
    .option('--before-run <run>', 'only runs older than this one', runId)
    .option(
      '--limit <count>',
      'how many of those under way, and how many of those that have ended (default: 20)',
      wholeNumber(1, 10_000),
    )
    .option('--task <task>', 'of one run: a task with its attempts, error and output')
    .option('--outputs', 'of one run: what its tasks put out')
    .option('--events', 'of one run: all that happened')
    .option('--json', 'as JSON')
    .action(
      shell.action(async (id: string | undefined, options: RunsOptions) => {
        refuseWhatIsIgnored(id, options);
        const engine = await shell.openDatabase();
        if (id === undefined) await showRuns(shell, engine, options);
        else await showRun(shell, engine, id, options);
      }),
    );

  shell
    .command('why', 'says why a task, or each task of a run, has not run')
    .argument('<run>', 'the number of a run', runId)
    .argument('[task]', 'the name of a task')
    .option('--json', 'as JSON')
    .action(
      shell.action(async (id: string, name: string | undefined, { json }: { json?: boolean }) => {
        const engine = await shell.openDatabase();
        const run = (await engine.readOverview(id)) ?? noSuchRun(id);
        const reasons = await engine.explain(id);
        if (name === undefined) {
          return json ? showJson(reasons) : show(whyScreen(run, reasons, shell.display()));
        }
        const reason = reasons.find(({ task }) => task === name) ?? noSuchTask(run, name);
        const blockers = reason.code === 'WAITS_FOR_PARENTS' ? await engine.listBlockers(id, name) : [];
        if (json) showJson({ ...reason, blockers });
        else show(whyTaskScreen(reason, blockers, shell.display()));
      }),
    );

  shell
    .command('graph', 'draws a workflow, or a run with its states')
    .argument('<workflow or run>', 'the name of a workflow, or the number of a run')
    .option('--format <format>', GRAPH_FORMATS.join(', '), oneOf(GRAPH_FORMATS), 'tree')
    .addOption(new Option('--json', 'as JSON').conflicts('format'))
    .action(
      shell.action(async (subject: string, { format, json }: { format: GraphFormat; json?: boolean }) => {
        const graph = await (/^\d+$/.test(subject)
          ? graphOfRun(shell, runId(subject))
          : graphOfWorkflow(shell, subject));
        if (json) showJson(graph);
        else show(graphScreen(graph, format, shell.display()));
      }),
    );

  shell
    .command('workflows', 'lists the workflows and how they have been going')
    .option('--json', 'as JSON')
    .action(
      shell.action(async ({ json }: { json?: boolean }) => {
        const engine = await shell.openDatabase();
        const listed = await engine.listWorkflows();
        if (json) showJson(listed);
        else show(workflowsScreen(listed, shell.display()));
      }),
    );
}

function refuseWhatIsIgnored(id: string | undefined, options: RunsOptions): void {
  const { workflow, status, since, beforeRun, limit, task, outputs, events } = options;
  if (id === undefined && (task !== undefined || outputs || events))
    throw new UsageError('--task, --outputs and --events are about one run: npm run runs -- <run> …');
  if ([task, outputs, events].filter((one) => one !== undefined).length > 1)
    throw new UsageError('--task, --outputs and --events show different things: give one of them.');
  if (id !== undefined && (workflow ?? status ?? since ?? beforeRun ?? limit) !== undefined)
    throw new UsageError(
      '--workflow, --status, --since, --before-run and --limit choose among runs: name no run, as in npm run runs -- --limit 5',
    );
}

async function showRuns(shell: Shell, engine: Engine, options: RunsOptions): Promise<void> {
  const { workflow, status, since, beforeRun: before, limit = 20, json } = options;
  const filter: RunFilter = { workflow, statuses: status, since, before };
  const [active, ended] = await Promise.all([
    engine.listRuns('active', limit, filter),
    engine.listRuns('ended', limit, filter),
  ]);
  const found = active.length + ended.length > 0;
  if (!found && workflow !== undefined && !(await engine.inputSchema(workflow)))
    await noSuchWorkflow(engine, workflow);
  if (json) return showJson([...active, ...ended]);
  const [lastActive, lastEnded] = [active, ended].map((runs) => runs[limit - 1]);
  const page = {
    active,
    ended,
    filtered: Object.values(filter).some((one) => one !== undefined),
    activeTotal: lastActive && (await engine.countActiveRuns(filter)),
    olderActive: lastActive && commandFor({ ...options, status: ['RUNNING'] }, lastActive.id),
    older: lastEnded && commandFor(options, lastEnded.id),
  };
  show(runsScreen(page, shell.display()));
}

/** The command that shows the runs older than `before`. */
function commandFor({ workflow, status, since, limit }: RunsOptions, before: string): string {
  const options = [
    workflow === undefined ? '' : ` --workflow ${printable(workflow)}`,
    status ? ` --status ${status.join(',').toLowerCase()}` : '',
    since ? ` --since ${since.toISOString().slice(0, 19)}` : '',
    limit === undefined ? '' : ` --limit ${limit}`,
  ];
  return `npm run runs --${options.join('')} --before-run ${before}`;
}

async function showRun(shell: Shell, engine: Engine, id: string, options: RunsOptions): Promise<void> {
  const { task: name, outputs, events, json } = options;
  const display = shell.display();
  if (events) {
    if (!(await engine.readStatus(id))) noSuchRun(id);
    const all = await engine.listEvents(id);
    return json ? showJson(all) : show(eventsScreen(all, display));
  }
  if (name === undefined && !outputs && !json) {
    const run = (await engine.readOverview(id)) ?? noSuchRun(id);
    return show(runScreen(run, display));
  }
  const run = (await engine.readRun(id)) ?? noSuchRun(id);
  if (name !== undefined) {
    const task = run.tasks.find((one) => one.name === name) ?? noSuchTask(run, name);
    const attempts = run.attempts.filter((attempt) => attempt.task === name);
    if (json) return showJson({ ...task, attempts });
    // Into a pipe goes the output alone.
    if (!display.isTerminal && task.state !== 'SUCCESS') say(whyNoOutput(run, task));
    return show(taskScreen(run, task, display));
  }
  if (outputs) {
    const done = run.tasks.filter(({ state }) => state === 'SUCCESS');
    return json
      ? showJson(Object.fromEntries(done.map((task) => [task.name, task.output])))
      : show(outputsScreen(run, display));
  }
  showJson(run);
}

function whyNoOutput({ id }: RunOverview, { name, state, error }: TaskDetails): string {
  const why = error ? `, ${error.code}: ${error.message}` : '';
  return printable(
    `Task ${name} of run ${id} is ${state} and has no output${why}. All that is known of it: --json`,
  );
}

function noSuchTask({ id, tasks }: RunOverview, name: string): never {
  const names = tasks.map((task) => task.name);
  throw new UsageError(
    `TASK_NOT_FOUND run ${id} has no task "${printable(name)}".${didYouMean(name, names)}`,
  );
}

/** What a graph shows of tasks, as a text to compare: the order of tasks and of their parents does not matter. */
function shapeOf(tasks: Workflow['tasks'] | Graph['tasks']): string {
  const drawn = tasks.map(({ name, connector, operation, after = [] }) =>
    [name, connector, operation, ...after.toSorted()].join(' '),
  );
  return drawn.toSorted().join('\n');
}

async function graphOfRun(shell: Shell, id: string): Promise<Graph> {
  const engine = await shell.openDatabase();
  const run = (await engine.readOverview(id)) ?? noSuchRun(id);
  return { workflow: run.workflow, version: run.version, run: id, tasks: run.tasks };
}

async function graphOfWorkflow(shell: Shell, name: string): Promise<Graph> {
  const definitions = await loadDefinitions();
  const engine = await shell.openDatabase(definitions);
  const written = definitions.workflows.find((workflow) => workflow.name === name);
  const known = await engine.readGraph(name);
  if (known) {
    if (written && shapeOf(written.tasks) !== shapeOf(known.tasks))
      say(
        `This is version ${known.version}, as it was registered. Its file draws another graph: runner, start-run, inbox and demo register that, if it is valid.`,
      );
    return known;
  }
  // Perhaps nobody has registered it yet.
  if (written) await engine.register();
  return (await engine.readGraph(name)) ?? (await noSuchWorkflow(engine, name));
}
