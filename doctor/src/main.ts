#!/usr/bin/env node
/** `tetris-doctor`: exit status 0 where nothing is wrong, 1 where something is, 2 where it could not look. */
import { errorMessage } from '@tetris/common';
import { Command } from 'commander';
import { examine } from './examine';
import type { Environment } from './facts';
import { gather, type Places } from './gather';
import { report } from './report';

const WRONG = 1;
const FAILED = 2;
const SETTINGS = '/etc/tetris';

type Options = Omit<Places, 'environment' | 'etcd'> & { etcd?: string[]; json?: true };

const program = new Command('tetris-doctor')
  .description('Looks for what operators get wrong, on this node and in the cluster, and says how to mend it.')
  .option('--settings <folder>', 'settings of the components, files *.env; TETRIS_* variables add to them', SETTINGS)
  .option('--image <image>', 'look from a fresh container of this action image')
  .option('--container <name>', 'look from this container, which runs')
  .option('--pod <namespace/name>', 'look from this pod, with kubectl')
  .option('--controller <name>', "a controller's container, or a file of its environment (a path with a slash)")
  .option('--invoker <name>', "a stock invoker's container, or a file of its environment")
  .option('--etcd <host:port...>', "the schedulers' etcd")
  .option('--json', 'print the findings as JSON')
  .addHelpText('after', '\nExit status: 0 nothing is wrong, 1 something is, 2 it could not look.')
  .showHelpAfterError()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : FAILED))
  .action(async ({ etcd = [], json, ...places }: Options) => {
    const environment = process.env as Environment;
    const findings = examine(await gather({ ...places, etcd, environment }));
    process.stdout.write(json === true ? `${JSON.stringify(findings, undefined, 2)}\n` : report(findings));
    process.exitCode = findings.some(({ status }) => status === 'wrong') ? WRONG : 0;
  });

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`tetris-doctor: ${errorMessage(error)}\n`);
  process.exitCode = FAILED;
});
