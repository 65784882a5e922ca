/** A profile on a terminal of 80 columns. Pure. */
import Table from 'cli-table3';
import type { ModelProfile, UsableEntry } from '@tetris/invoker-extension';
import {
  chosenOf,
  failures,
  limitText,
  conversionLines,
  mebibytes,
  type ReportOptions,
  subjectLines,
  usable,
  variantRows,
  verdict,
  worth,
} from './summary';

/** No rules: they cost a third of the width. */
const PLAIN = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '' },
  ...{ 'bottom-right': '', left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: ' ' },
};

const WIDTH = 80;

/** Rows by throughput per MB, best first, the chosen one marked; failed rows at the end with their reasons. */
export function terminalReport(profile: ModelProfile, options: ReportOptions): string {
  const chosen = chosenOf(profile, options);
  const rows = usable(profile);
  const parts = [
    subjectLines(profile).join('\n'),
    rows.length === 0 ? '' : configurations(rows, chosen),
    variants(profile),
    conversionLines(profile).join('\n'),
    failures(profile)
      .map(({ reason, points }) => `not possible: ${reason}\n  ${points.join(', ')}`)
      .join('\n'),
    verdict(profile, options),
  ];
  return parts
    .filter((part) => part !== '')
    .map((part) => part.split('\n').map(wrapped).join('\n'))
    .join('\n\n');
}

function configurations(rows: readonly UsableEntry[], chosen: UsableEntry | undefined): string {
  const estimated = rows.some(({ source }) => source === 'estimated');
  const lines = table(
    ['', 'graph', 'cpu', 'p', 't', 'b', 'p50 ms', 'p95 ms', 'p99 ms', 'req/s', 'load ms', 'MiB', 'limit', 'req/s/MiB'],
    rows.map((entry) => {
      const { point, measurement: m, source } = entry;
      const figures = [m.p50Ms, m.p95Ms, m.p99Ms, m.throughput].map((value) => figure(value));
      return [
        entry === chosen ? '*' : source === 'estimated' ? '~' : '',
        ...[point.variant, point.cpu, point.concurrency, point.threads, point.batch],
        ...figures,
        ...[m.loadMs, mebibytes(m.steadyBytes)].map((value) => value.toFixed(0)),
        limitText(m),
        figure(worth(entry)),
      ];
    }),
  );
  const legend =
    'p workers, t threads of each, b requests in a batch; MiB of the instance alone\nlimit: MiB of the least memory limit tried in which it runs';
  const marks = [...(chosen === undefined ? [] : ['* chosen']), ...(estimated ? ['~ estimated, not measured'] : [])];
  return [lines, legend, ...(marks.length === 0 ? [] : [marks.join('; ')])].join('\n');
}

function variants(profile: ModelProfile): string {
  const rows = variantRows(profile);
  const [first] = rows;
  if (first === undefined) return '';
  const { cpu, concurrency, threads, batch } = first.entry.point;
  const lines = table(
    ['graph', 'p50 ms', 'req/s', 'load ms', 'first load ms', 'own MiB', 'shared MiB'],
    rows.map(({ variant, entry: { measurement: m }, sharedBytes, firstLoadMs }) => [
      variant,
      figure(m.p50Ms),
      figure(m.throughput),
      m.loadMs.toFixed(0),
      firstLoadMs?.toFixed(0) ?? '-',
      mebibytes(m.steadyBytes).toFixed(1),
      sharedBytes === undefined ? '-' : mebibytes(sharedBytes).toFixed(1),
    ]),
  );
  return `The same in cpu=${cpu} p=${concurrency} t=${threads} b=${batch}:\n${lines}`;
}

function table(head: readonly string[], rows: readonly (string | number)[][]): string {
  const made = new Table({
    head: [...head],
    chars: PLAIN,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: head.map((name) => (name === '' || name === 'graph' ? 'left' : 'right')),
  });
  made.push(...rows.map((row) => [...row]));
  return made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Three digits tell enough, and keep columns narrow. */
const figure = (value: number): string => (value >= 99.95 ? value.toFixed(0) : value.toFixed(value >= 9.995 ? 1 : 2));

/** A line of words in lines of the terminal's width, indented from the second on; columns are kept. */
function wrapped(line: string): string {
  if (line.length <= WIDTH) return line;
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(' ')) {
    if (current !== '' && current.length + 1 + word.length > WIDTH) {
      lines.push(current);
      current = `  ${word}`;
    } else current = current === '' ? word : `${current} ${word}`;
  }
  return [...lines, current].join('\n');
}
