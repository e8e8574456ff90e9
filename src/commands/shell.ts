import { hostname, userInfo } from 'node:os';
import type { Command } from 'commander';
import { type Config, readConfig } from '../config.ts';
import { startEmbedded } from '../database/embedded.ts';
import { type Engine, type EngineOptions, openEngine } from '../engine.ts';
import { callsOf, DefinitionError, didYouMean, messageOf, UsageError } from '../errors.ts';
import type { RunSummary } from '../inspect.ts';
import { createLog, type Log } from '../log.ts';
import type { Display } from '../screens/display.ts';
import { sizeOf } from '../screens/live.ts';
import { painter, printable, printableJson } from '../terminal.ts';
import { exitWhenStopped } from './shutdown.ts';

interface OpenOptions extends Partial<Omit<EngineOptions, 'connectionString'>> {
  /** Which databases are migrated first: any, the embedded one alone (if nothing is said), or none. */
  readonly migrate?: 'always' | 'own' | 'never';
}

/** What every command needs: the configuration, the database, and a way to say something. */
export class Shell implements AsyncDisposable {
  readonly #program: Command;
  readonly #opened: Engine[] = [];
  #config: Config | undefined;
  #log: Log | undefined;
  #url: Promise<string> | undefined;
  exitCode = 0;

  constructor(program: Command) {
    this.#program = program;
  }

  command(name: string, description: string): Command {
    return this.#program.command(name).description(description).showHelpAfterError(seeHelp(name));
  }

  /** Makes an action for commander. A number that `act` gives is the exit code; without one that is 0. */
  action<Arguments extends unknown[]>(act: (...given: Arguments) => Promise<unknown>) {
    return async (...given: Arguments): Promise<void> => {
      const code = await act(...given);
      this.exitCode = typeof code === 'number' ? code : 0;
    };
  }

  /** Read when it is first needed, so that a wrong command is refused before a wrong configuration is. */
  get config(): Config {
    this.#config ??= readConfig();
    return this.#config;
  }

  get log(): Log {
    this.#log ??= createLog({
      level: this.config.logLevel,
      format: this.config.logFormat,
      color: this.#hasColour,
      unicode: this.#hasUnicode,
      write: show,
    });
    return this.#log;
  }

  /** DATABASE_URL, or that of the embedded database, which is started unless it runs; once in a process. */
  databaseUrl(): Promise<string> {
    this.#url ??= this.#findDatabase();
    return this.#url;
  }

  async #findDatabase(): Promise<string> {
    return this.config.databaseUrl ?? (await startEmbedded(this.config.dataFolder, { say })).url;
  }

  /** Connects to the database. The embedded one is kept up to date by itself. */
  async openDatabase({ migrate = 'own', ...options }: OpenOptions = {}): Promise<Engine> {
    const engine = openEngine({
      connectionString: await this.databaseUrl(),
      connectors: {},
      log: this.log,
      ...options,
    });
    this.#opened.push(engine);
    const isOwn = this.config.databaseUrl === undefined;
    if (migrate === 'always' || (migrate === 'own' && isOwn)) await engine.migrate(say);
    return engine;
  }

  /** How screens are drawn, as things are at this moment. */
  display(): Display {
    return {
      paint: painter(this.#hasColour),
      isTerminal: this.isTerminal,
      unicode: this.#hasUnicode,
      ...sizeOf(process.stdout),
      now: new Date(),
    };
  }

  /** Whether results are shown to people, and not sent into a pipe. */
  get isTerminal(): boolean {
    return process.stdout.isTTY;
  }

  /** Whether what was shown can be drawn over. */
  get canRedraw(): boolean {
    return this.isTerminal && this.config.redraws;
  }

  get #hasColour(): boolean {
    return this.isTerminal && this.config.color;
  }

  /** A pipe takes any text, whatever the terminal can show. */
  get #hasUnicode(): boolean {
    return !this.isTerminal || this.config.unicode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#opened.map((engine) => engine[Symbol.asyncDispose]()));
    exitWhenStopped();
  }
}

/**
 * The workflows and connectors of this checkout. Loaded only where something is registered or run: a mistake in one of them
 * keeps nobody from looking, or from stopping something. Throws a DefinitionError that says in a line or two what cannot be
 * loaded, and where.
 */
export async function loadDefinitions(): Promise<Required<Pick<EngineOptions, 'connectors' | 'workflows'>>> {
  try {
    const { connectors } = await import('../connectors/index.ts');
    const { workflows } = await import('../workflows/index.ts');
    return { connectors, workflows };
  } catch (error) {
    const calls = callsOf(error).filter((call) => !/^async |node:|node_modules/.test(call));
    // What is refused was called wrongly, by who called first.
    const place = calls.at(error instanceof UsageError ? -1 : 0)?.replace(/^.* \(|\)$/g, '');
    throw new DefinitionError([place === undefined ? messageOf(error) : `${messageOf(error)}, at ${place}`]);
  }
}

/** Where one learns what a command takes, said when it was called wrongly. */
export function seeHelp(command: string): string {
  return `(Options stand after --, as in: npm run ${command} -- --help)`;
}

/** The result: for people and for programs. */
export function show(text: string): void {
  process.stdout.write(text.endsWith('\n') || text === '' ? text : `${text}\n`);
}

export function showJson(value: unknown): void {
  show(printableJson(value, 2));
}

/** A word to people that is not part of the result: what goes on, or what went wrong. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function exitCodeOf({ status }: Pick<RunSummary, 'status'>): number {
  return status === 'COMPLETED' ? 0 : 1;
}

/** Refuses the number of a run that is not there. */
export function noSuchRun(id: string): never {
  throw new UsageError(`RUN_NOT_FOUND there is no run ${id}. See: npm run runs`);
}

/** Refuses a name that no workflow has; says which there are. */
export async function noSuchWorkflow(engine: Engine, name: string): Promise<never> {
  const names = (await engine.listWorkflows()).map(({ workflow }) => workflow);
  throw new UsageError(
    `WORKFLOW_NOT_FOUND there is no workflow "${printable(name)}".${didYouMean(name, names)} One of your own has to be listed in src/workflows/index.ts.`,
  );
}

/** Who gives the command: `user@host`. It is stored with what the command changes. */
export function whoami(): string {
  try {
    return printable(`${userInfo().username}@${hostname()}`);
  } catch {
    // An account without a name.
    return `${process.getuid?.() ?? 'somebody'}@${hostname()}`;
  }
}
