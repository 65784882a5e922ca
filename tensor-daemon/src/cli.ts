#!/usr/bin/env node
import { DaemonOperator, errorMessage, readConfig, retry } from '@tetris/common';
import Table from 'cli-table3';
import { Command } from 'commander';
import { DAEMON_CONFIG } from './config';
import { printable, printableJson } from './printable';

interface Options {
  socket: string;
  json?: true;
}

/** A column: its heading, and what it shows of a row. */
type Column<T> = [string, (row: T) => string | number];

const WAIT_BACKOFF = { firstMs: 50, maxMs: 1_000 };

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `1.5 GiB`. */
function size(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power] ?? ''}`;
}

function short(id: string): string {
  return id.slice(0, 12);
}

/** A model by the name that its user gave it, else by its key. */
function shown({ name, modelKey }: { name: string; modelKey: string }): string {
  return name === '' ? short(modelKey) : printable(name);
}

function print<T>(rows: T[], columns: Column<T>[], { json }: Options): void {
  if (json === true) {
    process.stdout.write(`${printableJson(rows)}\n`);
    return;
  }
  const table = new Table({ head: columns.map(([heading]) => heading), style: { head: [], border: [] } });
  table.push(...rows.map((row) => columns.map(([, show]) => show(row))));
  process.stdout.write(`${table.toString()}\n`);
}

function createProgram(defaultSocket: string): Command {
  const program = new Command('tetris-tensors')
    .description('Looks into the tensor store of this node, through its daemon.')
    .option('--socket <path>', "the daemon's operator socket", defaultSocket)
    .option('--json', 'print JSON')
    .showHelpAfterError();
  const options = (): Options => program.opts<Options>();
  const operator = (): DaemonOperator => new DaemonOperator(options().socket);

  program
    .command('tensors')
    .description('each tensor of the store, the largest first')
    .action(async () => {
      const rows = (await operator().tensors()).sort((one, other) => other.bytes - one.bytes);
      print(
        rows,
        [
          ['tensor', ({ sha256 }) => short(sha256)],
          ['size', ({ bytes }) => size(bytes)],
          ['models', ({ models }) => models],
          ['references', ({ references }) => references],
        ],
        options(),
      );
    });

  program
    .command('models')
    .description('each model of the store')
    .action(async () => {
      print(
        await operator().models(),
        [
          ['model', ({ modelKey }) => short(modelKey)],
          ['name', ({ name }) => printable(name)],
          ['size', ({ bytes }) => size(bytes)],
          ['tensors', ({ tensors }) => tensors],
          ['ingest ms', ({ ingestMs }) => Math.round(ingestMs)],
          ['leases', ({ leases }) => leases],
        ],
        options(),
      );
    });

  program
    .command('views')
    .description('each instance and the models it may see')
    .action(async () => {
      print(
        await operator().instances(),
        [
          ['instance', ({ instance }) => short(instance)],
          ['namespace', ({ namespace }) => printable(namespace)],
          ['models', ({ models }) => models.map(shown).join('\n')],
        ],
        options(),
      );
    });

  program
    .command('leases')
    .description('each lease that is held')
    .action(async () => {
      print(
        await operator().leases(),
        [
          ['lease', ({ leaseId }) => leaseId],
          ['instance', ({ instance }) => short(instance)],
          ['namespace', ({ namespace }) => printable(namespace)],
          ['model', shown],
          ['since', ({ sinceMs }) => new Date(sinceMs).toISOString()],
        ],
        options(),
      );
    });

  program
    .command('ingests')
    .description('each model on its way into the store; --abort ends one for all who wait for it')
    .option('--abort <id>', 'the ingest to end')
    .action(async ({ abort }: { abort?: string }) => {
      if (abort !== undefined) return operator().abortIngest(abort);
      print(
        await operator().ingests(),
        [
          ['ingest', ({ ingestId }) => ingestId],
          ['model', shown],
          ['namespace', ({ namespace }) => printable(namespace)],
          ['phase', ({ phase }) => phase],
          ['done', ({ done, total }) => (total === 0 ? '' : `${size(done)} of ${size(total)}`)],
          ['waiting', ({ waiting }) => waiting],
          ['age', ({ sinceMs }) => `${Math.round((Date.now() - sinceMs) / 1000)} s`],
        ],
        options(),
      );
    });

  program
    .command('totals')
    .description('bytes of the store, and what they would be unshared')
    .action(async () => {
      const totals = await operator().totals();
      const ratio = totals.unsharedBytes === 0 ? 1 : totals.leasedBytes / totals.unsharedBytes;
      if (options().json === true) {
        process.stdout.write(`${printableJson({ ...totals, ratio })}\n`);
        return;
      }
      const rows: [string, string | number][] = [
        ['models', totals.models],
        ['tensors', totals.tensors],
        ['instances', totals.instances],
        ['leases', totals.leases],
        ['unique', size(totals.uniqueBytes)],
        ['in use', size(totals.leasedBytes)],
        ['in use, as if unshared', size(totals.unsharedBytes)],
        ['ratio', ratio.toFixed(3)],
        ['budget', size(totals.budgetBytes)],
      ];
      print(
        rows,
        [
          ['', ([name]) => name],
          ['', ([, value]) => value],
        ],
        options(),
      );
    });

  program
    .command('wait')
    .description('end when the daemon answers, for units that are ordered after it')
    .option('--seconds <count>', 'give up after so long', '120')
    .action(async ({ seconds }: { seconds: string }) => {
      const ask = async (): Promise<void> => void (await operator().health());
      await retry(ask, { backoff: WAIT_BACKOFF, untilMs: Date.now() + Number(seconds) * 1000, now: Date.now });
    });

  program
    .command('collect')
    .description('drop what nobody holds, now')
    .action(async () => {
      const freed = await operator().collect();
      print(
        [freed],
        [
          ['tensors', ({ tensors }) => tensors],
          ['freed', ({ bytes }) => size(bytes)],
        ],
        options(),
      );
    });

  return program;
}

const { operatorSocketPath } = readConfig(DAEMON_CONFIG, process.env);
createProgram(operatorSocketPath)
  .parseAsync()
  .catch((error: unknown) => {
    process.stderr.write(`tetris-tensors: ${printable(errorMessage(error))}\n`);
    process.exitCode = 1;
  });
