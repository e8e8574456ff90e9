import { UsageError } from '../errors.ts';
import { grouped } from '../screens/display.ts';
import { printable } from '../terminal.ts';
import { age, runId } from './arguments.ts';
import { noSuchRun, type Shell, say, show, showJson, whoami } from './shell.ts';
import { abortOnShutdown, INTERRUPTED } from './shutdown.ts';
import { watchRun } from './watch.ts';

interface RerunOptions {
  readonly fromFailed?: boolean;
  readonly wait?: boolean;
  readonly json?: boolean;
}

interface PruneOptions {
  readonly olderThan: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Commands that change runs: cancel, rerun, prune. */
export function addSteerCommands(shell: Shell): void {
  shell
    .command('cancel', 'stops a run: what has not begun will not, what runs is told')
    .argument('<run>', 'the number of a run', runId)
    .option('--json', 'as JSON')
    .action(shell.action((id: string, { json }: { json?: boolean }) => cancel(shell, id, json)));

  shell
    .command('rerun', 'starts a run again: the same version, the same input')
    .argument('<run>', 'the number of a run', runId)
    .option('--from-failed', 'take over what had succeeded, and run the rest')
    .option('--wait', 'wait until it has ended, and show it')
    .option('--json', 'as JSON')
    .action(shell.action((id: string, options: RerunOptions) => rerun(shell, id, options)));

  shell
    .command('prune', 'deletes runs that ended long ago, with all they left')
    .requiredOption('--older-than <age>', 'how long ago they ended: 90d, 12h', age)
    .option('--dry-run', 'only say how many there are')
    .option('--json', 'as JSON')
    .action(shell.action((options: PruneOptions) => prune(shell, options)));
}

async function cancel(shell: Shell, id: string, json = false): Promise<number> {
  const engine = await shell.openDatabase();
  const cancelled = (await engine.readStatus(id)) !== undefined && (await engine.cancelRun(id, whoami()));
  const run = (await engine.readOverview(id)) ?? noSuchRun(id);
  if (!cancelled && run.status !== 'CANCELLED')
    throw new UsageError(`RUN_HAS_ENDED run ${id} is ${run.status} already. Nothing was cancelled.`);
  const running = run.tasks.filter(({ state }) => state === 'RUNNING').map(({ name }) => name);
  const left = run.tasks.filter(({ state }) => state === 'PENDING' || state === 'READY').length;
  if (json)
    showJson({ run: id, status: run.status, reason: run.reason, finished_at: run.finished_at, running });
  else if (!shell.isTerminal) show(`${id}\t${run.status}`);
  else if (!cancelled) show(`run ${id} was ${printable(`${run.reason}`)} already.`);
  else {
    const told = running.length > 0 ? ` ${running.join(', ')} will be told to stop.` : '';
    show(`run ${id} is CANCELLED. ${grouped(left)} of ${grouped(run.total)} tasks will not run.${told}`);
  }
  return 0;
}

async function rerun(
  shell: Shell,
  id: string,
  { fromFailed = false, wait, json }: RerunOptions,
): Promise<number> {
  const engine = await shell.openDatabase();
  if (!(await engine.readStatus(id))) noSuchRun(id);
  const newId = await engine.rerun(id, whoami(), fromFailed);
  if (wait) return await watchRun(shell, engine, newId, { json, quiet: true });
  const run = await engine.readOverview(newId);
  const reused = run?.tasks.filter(({ reused_from }) => reused_from !== null).length ?? 0;
  if (json) showJson({ run: newId, rerun_of: id, from_failed: fromFailed, reused });
  else if (!shell.isTerminal) show(newId);
  else {
    const taken = fromFailed
      ? ` ${grouped(reused)} of ${grouped(run?.total ?? 0)} tasks are taken over from there.`
      : '';
    show(`run ${newId} is started: run ${id} again.${taken} See it: npm run runs -- ${newId}`);
  }
  return 0;
}

async function prune(shell: Shell, { olderThan, dryRun = false, json }: PruneOptions): Promise<number> {
  const engine = await shell.openDatabase();
  const total = await engine.countPrunable(olderThan);
  const what = `${grouped(total)} ${total === 1 ? 'run' : 'runs'} that ended more than ${olderThan} ago`;
  if (dryRun) {
    if (json) showJson({ runs: total, deleted: 0 });
    else show(shell.isTerminal ? `There are ${what}. Nothing was deleted.` : String(total));
    return 0;
  }
  using stop = abortOnShutdown();
  let deleted = 0;
  let told = Date.now();
  for await (const some of engine.prune(olderThan)) {
    deleted += some;
    if (stop.signal.aborted) break;
    if (Date.now() - told < 1000) continue;
    told = Date.now();
    say(`deleted ${grouped(deleted)} of ${grouped(total)} runs`);
  }
  if (json) showJson({ runs: total, deleted });
  else if (!shell.isTerminal) show(String(deleted));
  else if (stop.signal.aborted)
    show(`Stopped: ${grouped(deleted)} of ${what} are deleted. The same command goes on.`);
  else
    show(
      deleted === 0
        ? `There is nothing to delete: no run ended more than ${olderThan} ago.`
        : `Deleted ${grouped(deleted)} of ${what}.`,
    );
  return stop.signal.aborted ? INTERRUPTED : 0;
}
