'use strict';

const { relative } = require('node:path');
const { isNamed, namedTests, ROOT } = require('./named-tests.cjs');

/** A test that is named as of none of these is of no run: a slip of the pen. */
const PROJECTS = new Set(['unit', 'integration', 'hosts', 'e2e', 'stock']);

/**
 * Fails a run in which a test that the documents name did not run, or did not pass. A run of some files only is judged by
 * those; what is skipped for want of a tool fails in CI (`CI=true`) and is listed elsewhere.
 */
class NamedTestsReporter {
  #globalConfig;
  #error;

  constructor(globalConfig) {
    this.#globalConfig = globalConfig;
  }

  onRunComplete(contexts, { testResults }) {
    const { testNamePattern, testPathPatterns, runTestsByPath } = this.#globalConfig;
    if (testNamePattern !== undefined && testNamePattern !== '') return;
    const isPartial = runTestsByPath || testPathPatterns.patterns.length > 0;
    const projects = new Set([...contexts].map(({ config }) => config.displayName?.name));
    const byFile = new Map(testResults.map((result) => [relative(ROOT, result.testFilePath), result]));
    const lacking = namedTests().flatMap((named) => {
      const result = byFile.get(named.file);
      const project = named.file.split('/')[1];
      const isElsewhere = PROJECTS.has(project) && !projects.has(project);
      if (result === undefined && (isPartial || isElsewhere)) return [];
      const what = verdict(named.title, result);
      return what === 'passed' ? [] : [{ ...named, what }];
    });
    const skipped = process.env.CI === 'true' ? [] : lacking.filter(({ what }) => what === 'skipped');
    const failures = lacking.filter((each) => !skipped.includes(each));
    list('tests that the documents name were skipped here', skipped);
    list('tests that the documents name did not pass', failures);
    if (failures.length > 0) this.#error = new Error(`${failures.length} named tests did not pass`);
  }

  getLastError() {
    return this.#error;
  }
}

/** @returns `passed`, `failed`, `skipped` or `absent` */
function verdict(title, result) {
  if (result === undefined) return 'absent';
  const found = result.testResults.filter((test) => isNamed(title, test));
  if (found.some(({ status }) => status === 'failed')) return 'failed';
  if (found.some(({ status }) => status === 'passed')) return 'passed';
  // A whole file that cannot be tried here has one skipped test which says so.
  const skips = result.testResults.some(({ status }) => status === 'pending');
  return skips ? 'skipped' : 'absent';
}

function list(what, tests) {
  if (tests.length === 0) return;
  const lines = tests.map(({ page, file, title, what: verdict }) => `  ${verdict}: ${file} "${title}" (${page})`);
  process.stderr.write(`\n${tests.length} ${what}:\n${lines.join('\n')}\n`);
}

module.exports = NamedTestsReporter;
