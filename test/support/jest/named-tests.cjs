'use strict';

const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const ROOT = join(__dirname, '../../..');
const read = (path) => readFileSync(join(ROOT, path), 'utf8');

/** @typedef {{ page: string, file: string, title: string }} NamedTest `file` from the root of the repository */

/** `` `test/….test.ts`: "what it does" `` @param {string} page @returns {NamedTest[]} */
function namedInCompatibility(page) {
  return [...read(page).matchAll(/`(test\/[\w./-]+\.test\.ts)`: "([^"]+)"/g)].map(([, file, title]) => ({
    page,
    file,
    title,
  }));
}

/** `` `integration/name` "what the test is called" `` in the last column; titles may hold quotation marks. @returns {NamedTest[]} */
function namedInSecurity() {
  const page = 'docs/security.md';
  const rows = read(page)
    .split('\n')
    .filter((line) => /^\|.*`(unit|integration|e2e)\//.test(line));
  return rows.flatMap((line) =>
    (line.split('|').at(-2) ?? '').split('; `').map((cited) => {
      const [, file = '', title = ''] = /^\s*`?((?:unit|integration|e2e)\/[^`]+)`\s+"(.*)"\s*$/.exec(cited) ?? [];
      return { page, file: `test/${file}.test.ts`, title };
    }),
  );
}

/** The tests that the documents name as proof of what they promise. */
const namedTests = () => [
  ...namedInCompatibility('docs/compatibility.md'),
  ...namedInCompatibility('docs/compatibility-fpc.md'),
  ...namedInSecurity(),
];

/** Whether a test is the one that is named: by its own name, or by that of its group and its own. */
function isNamed(title, { ancestorTitles, title: own }) {
  // Where a title stands for several tests, a place holder stands for their values.
  const parts = title.split(/\$\{[^}]*\}|\$\w+|%[sdifjo]/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(`^(.* › )?${parts.join('.+')}$`);
  return pattern.test(own) || pattern.test([...ancestorTitles, own].join(' › '));
}

module.exports = { ROOT, namedTests, isNamed };
