/** What the files for OpenWhisk's own playbooks (`ansible/openwhisk/`) set, as Ansible reads them. */
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const ANSIBLE = resolve(__dirname, '../../ansible');
const TIMEOUT_MS = 60_000;

/**
 * A variable of OpenWhisk's playbooks.
 *
 * @param files in their order; @param extra variables given beside them; @param scratch folder for Ansible's own files
 */
export function openwhiskVariable(
  variable: string,
  files: readonly string[],
  extra: Readonly<Record<string, unknown>>,
  scratch: string,
): unknown {
  const given = files.flatMap((file) => ['-e', `@${join(ANSIBLE, 'openwhisk', file)}`]);
  const options = ['-c', 'local', '-m', 'ansible.builtin.debug', '-a', `var=${variable}`, ...given];
  const env = { ...process.env, ANSIBLE_LOCAL_TEMP: join(scratch, 'local'), ANSIBLE_NOCOLOR: '1' };
  const said = execFileSync('ansible', ['localhost', ...options, '-e', JSON.stringify(extra)], {
    cwd: ANSIBLE,
    env,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return (JSON.parse(said.slice(said.indexOf('{'))) as Record<string, unknown>)[variable];
}
