/** What the files for OpenWhisk's own playbooks set; how Ansible renders them is for `integration/ansible` to say. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const FOLDER = resolve(__dirname, '../../../ansible/openwhisk');
const read = (file: string): string => readFileSync(join(FOLDER, file), 'utf8');
/** Top-level variables with the text of their values. */
const variables = (text: string): Record<string, string> =>
  Object.fromEntries([...text.matchAll(/^(\w+): *(.*)$/gm)].map(([, name = '', value = '']) => [name, value]));

/** What turns container concurrency on, and the one log store that reads the logs of concurrent activations rightly. */
const CONCURRENCY = {
  runtimes_enable_concurrency: 'true',
  limit_action_concurrency_max: '64',
};
const LOG_STORE = 'org.apache.openwhisk.core.containerpool.logging.LogDriverLogStoreProvider';

describe('ansible/openwhisk', () => {
  it('turns container concurrency of stock invokers on beside the log store that it needs, and nowhere else', () => {
    const l1 = variables(read('l1.yml'));
    expect(Object.keys(l1)).not.toEqual(expect.arrayContaining(Object.keys(CONCURRENCY)));
    for (const name of [...Object.keys(CONCURRENCY), 'userLogs_spi']) expect(l1).not.toHaveProperty(name);
    expect(variables(read('l1-concurrency.yml'))).toEqual({ ...CONCURRENCY, userLogs_spi: LOG_STORE });
  });

  it('gives containers what the runtime needs: the socket, the views and the model folders, all read-only', () => {
    const text = read('l1.yml');
    expect(text).toContain("'/var/lib/tetris/store/views:/tetris/views:ro', '/run/tetris/instance:/run/tetris:ro'");
    expect(text).toContain(String.raw`map('regex_replace', '^(.+)$', '\\1:\\1:ro')`);
    for (const name of ['DAEMON_SOCKET', 'VIEWS', 'MODEL_ROOTS']) expect(text).toContain(`TETRIS_RUNTIME_${name}=`);
  });

  it('is explained, file by file', () => {
    const page = readFileSync(resolve(FOLDER, '../../docs/operations.md'), 'utf8');
    for (const file of readdirSync(FOLDER)) expect(page).toContain(`openwhisk/${file}`);
  });
});
