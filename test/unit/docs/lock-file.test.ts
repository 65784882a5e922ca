/** npm completes neither a lock file that lacks a package's dependency nor the folder that is made from it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Locked {
  link?: boolean;
  dependencies?: Record<string, string>;
}

const { packages } = JSON.parse(readFileSync(join(__dirname, '../../../package-lock.json'), 'utf8')) as {
  packages: Record<string, Locked>;
};

/** Where Node looks for a dependency from a package's folder: its own modules, then those of each folder above. */
function places(path: string, dependency: string): string[] {
  const own = `${path === '' ? '' : `${path}/`}node_modules/${dependency}`;
  if (path === '') return [own];
  const above = path.lastIndexOf('node_modules/');
  return [own, ...places(above <= 0 ? '' : path.slice(0, above - 1), dependency)];
}

it('the lock file holds what each of its packages depends on', () => {
  const lacking = Object.entries(packages).flatMap(([path, { link, dependencies = {} }]) =>
    Object.keys(link === true ? {} : dependencies)
      .filter((dependency) => !places(path, dependency).some((place) => place in packages))
      .map((dependency) => `${path} -> ${dependency}`),
  );
  expect(lacking).toEqual([]);
});
