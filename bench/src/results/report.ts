/** The results as a page of Markdown, and as one of HTML that needs nothing beside it. */
import { rounded } from '../measure/statistics';
import type { SuiteResult } from '../suite';
import { charts } from './charts';
import { resultTables } from './tables';
import { type Outcome, outcomes } from './targets';

type Results = Readonly<Record<string, SuiteResult>>;

export interface Report {
  markdown: string;
  html: string;
  /** SVG texts by file name. */
  charts: Readonly<Record<string, string>>;
}

/**
 * @param results by suite, each with its `machine` and `measured`
 * @param images folder of the charts, as seen from the page of Markdown
 */
export function report(results: Results, images: string): Report {
  const sections = [headline(results), ...resultTables(results).map(sectionOf)];
  const pictures = charts(results);
  return {
    markdown: markdown(results, sections, pictures, images),
    html: page(results, sections, pictures),
    charts: pictures,
  };
}

interface Section {
  title: string;
  note?: string;
  /** What measures it. */
  command?: string;
  head: readonly string[];
  rows: readonly (readonly string[])[];
}

const commandOf = (suite: string): string => `npm run bench -- ${suite}`;

function headline(results: Results): Section {
  const rows = outcomes(results).filter(({ suite }) => results[suite] !== undefined);
  return {
    title: 'Beside the paper',
    ...missed(rows),
    head: ['Figure', 'Paper', 'Target', 'Measured', 'Met', 'Command'],
    rows: rows.map((row) => [row.title, row.paper, wanted(row), measured(row), met(row), commandOf(row.suite)]),
  };
}

/** Why targets are missed, as far as it is known. */
function missed(rows: readonly Outcome[]): Pick<Section, 'note'> {
  const reasons = rows.flatMap(({ met: isMet, title, why }) =>
    isMet === false && why !== undefined ? [`${title}: ${why}.`] : [],
  );
  return reasons.length === 0 ? {} : { note: `Missed. ${reasons.join(' ')}` };
}

function sectionOf({ suite, title, note, head, rows }: ReturnType<typeof resultTables>[number]): Section {
  const texts = rows.map((row) => row.map((cell) => (cell === undefined ? '' : String(cell))));
  return { title, ...(note === undefined ? {} : { note }), command: commandOf(suite), head, rows: texts };
}

function wanted({ atMost, atLeast }: Outcome): string {
  if (atMost !== undefined) return `≤ ${atMost}`;
  return atLeast === undefined ? '-' : `≥ ${atLeast}`;
}

const measured = ({ value }: Outcome): string => (value === undefined ? 'not measured' : String(rounded(value, 6)));

const met = (row: Outcome): string => (row.met === undefined ? '-' : row.met ? 'yes' : '**no**');

const INTRODUCTION =
  "Each figure of the paper's evaluation (Tetris, USENIX ATC '22) beside ours, measured on one machine by the command that is told. " +
  '`npm run bench -- all` measures all of them and writes this page. Times are those of a shared machine, ratios are of both sides in turns.';

function markdown(
  results: Results,
  sections: readonly Section[],
  pictures: Readonly<Record<string, string>>,
  images: string,
): string {
  const line = (texts: readonly string[]): string => `| ${texts.join(' | ')} |`;
  const text = ({ title, note, command, head, rows }: Section): string[] => [
    `## ${title}`,
    '',
    ...(command === undefined ? [] : [`\`${command}\``, '']),
    ...(note === undefined ? [] : [note, '']),
    line(head),
    line(head.map(() => '---')),
    ...rows.map(line),
    '',
  ];
  const figures = Object.keys(pictures).flatMap((file) => [`![${titleOf(file)}](${images}/${file})`, '']);
  const parts = ['# Results', '', INTRODUCTION, '', ...provenance(results), '', ...figures, ...sections.flatMap(text)];
  return parts.join('\n');
}

/** When and on what each suite ran. */
function provenance(results: Results): string[] {
  return Object.entries(results).map(([suite, { measured: day, machine }]) => {
    const { cpu, cores, memoryMb, node, onnxruntime } = machine as Record<string, string | number>;
    const until = typeof day === 'string' ? day : 'not ended';
    return `- \`${suite}\`: ${until}, ${cpu}, ${cores} cores, ${memoryMb} MB, Node ${node}, onnxruntime ${onnxruntime}`;
  });
}

function page(results: Results, sections: readonly Section[], pictures: Readonly<Record<string, string>>): string {
  const row = (tag: string, texts: readonly string[]): string =>
    `<tr>${texts.map((text) => `<${tag}>${escaped(text.replaceAll('**', ''))}</${tag}>`).join('')}</tr>`;
  const section = ({ title, note, command, head, rows }: Section): string =>
    `<h2>${escaped(title)}</h2>${command === undefined ? '' : `<p><code>${escaped(command)}</code></p>`}` +
    `${note === undefined ? '' : `<p>${escaped(note)}</p>`}` +
    `<div><table>${row('th', head)}${rows.map((each) => row('td', each)).join('')}</table></div>`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Tetris for OpenWhisk: results</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
  div { overflow-x: auto }
  table { border-collapse: collapse }
  th, td { text-align: left; padding: 0.3rem 0.8rem; border-bottom: 1px solid #8884 }
  svg { max-width: 100%; height: auto }
</style>
<h1>Results</h1>
<p>${escaped(INTRODUCTION.replaceAll('`', ''))}</p>
<ul>${provenance(results)
    .map((text) => `<li>${escaped(text.slice(2).replaceAll('`', ''))}</li>`)
    .join('')}</ul>
${Object.entries(pictures)
  .map(([file, image]) => `<figure role="img" aria-label="${titleOf(file)}">${image}</figure>`)
  .join('')}
${sections.map(section).join('\n')}
</html>
`;
}

const titleOf = (file: string): string => file.replace(/\.svg$/, '').replaceAll('-', ' ');

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
