import { CHECKS, type Finding } from './finding';

const MARKS = { well: 'ok   ', wrong: 'WRONG', skipped: '-    ' } as const;

/** For people: what is wrong with how to mend it; what was skipped at the end, in one line each. */
export function report(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ check, status, found, mend }) => [
    `${MARKS[status]} ${check.padEnd(17)} ${found}`,
    ...(mend === undefined ? [] : [`      ${CHECKS[check]}.`, `      To mend it: ${mend}.`]),
  ]);
  const wrong = findings.filter(({ status }) => status === 'wrong').length;
  const skipped = findings.filter(({ status }) => status === 'skipped').length;
  return [...lines, '', `${wrong} wrong, ${skipped} not looked at, of ${findings.length}`, ''].join('\n');
}
