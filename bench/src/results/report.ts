/** The results as a page of Markdown, and as one of HTML that needs nothing beside it. */
import { rounded } from '../measure/statistics';
import type { SuiteResult } from '../suite';
import { charts } from './charts';
import { type Outcome, outcomes } from './targets';

/** @param results by suite, each with its `machine` and `measured` @returns contents by file name */
export function report(results: Readonly<Record<string, SuiteResult>>): Record<string, string> {
  const images = charts(results);
  const rows = outcomes(results);
  return { ...images, 'results.md': markdown(results, rows, images), 'results.html': page(results, rows, images) };
}

const HEAD = ['Figure', 'Paper', 'Target', 'Measured', 'Met', 'Command'];

function cells(row: Outcome): string[] {
  return [row.title, row.paper, wanted(row), measured(row), met(row), `npm run bench -- ${row.suite}`];
}

function wanted({ atMost, atLeast }: Outcome): string {
  if (atMost !== undefined) return `≤ ${atMost}`;
  return atLeast === undefined ? '-' : `≥ ${atLeast}`;
}

const measured = ({ value }: Outcome): string => (value === undefined ? 'not measured' : String(rounded(value, 6)));

const met = (row: Outcome): string => (row.met === undefined ? '-' : row.met ? 'yes' : '**no**');

function markdown(
  results: Readonly<Record<string, SuiteResult>>,
  rows: readonly Outcome[],
  images: Readonly<Record<string, string>>,
): string {
  const line = (texts: readonly string[]): string => `| ${texts.join(' | ')} |`;
  const table = [line(HEAD), line(HEAD.map(() => '---')), ...rows.map((row) => line(cells(row)))];
  const pictures = Object.keys(images).map((file) => `![${titleOf(file)}](${file})`);
  return [INTRODUCTION, ...provenance(results), '', ...table, '', ...pictures, ''].join('\n');
}

const INTRODUCTION = `# Results

Each figure of the paper's evaluation (Tetris, USENIX ATC '22) beside ours, measured on one machine by the command in its row.
\`npm run bench -- all\` measures all of them and writes this page.
`;

/** When and on what each suite ran. */
function provenance(results: Readonly<Record<string, SuiteResult>>): string[] {
  return Object.entries(results).map(([suite, { measured: day, machine }]) => {
    const { cpu, cores, memoryMb, node, onnxruntime } = machine as Record<string, string | number>;
    return `- \`${suite}\`: ${String(day)}, ${cpu}, ${cores} cores, ${memoryMb} MB, Node ${node}, onnxruntime ${onnxruntime}`;
  });
}

function page(
  results: Readonly<Record<string, SuiteResult>>,
  rows: readonly Outcome[],
  images: Readonly<Record<string, string>>,
): string {
  const row = (tag: string, texts: readonly string[]): string =>
    `<tr>${texts.map((text) => `<${tag}>${escaped(text.replaceAll('**', ''))}</${tag}>`).join('')}</tr>`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Tetris for OpenWhisk: results</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  div { overflow-x: auto }
  table { border-collapse: collapse }
  th, td { text-align: left; padding: 0.3rem 0.8rem; border-bottom: 1px solid #8884 }
  svg { max-width: 100%; height: auto }
</style>
<h1>Results</h1>
<ul>${provenance(results)
    .map((text) => `<li>${escaped(text.slice(2).replaceAll('`', ''))}</li>`)
    .join('')}</ul>
<div><table>${row('th', HEAD)}${rows.map((each) => row('td', cells(each))).join('')}</table></div>
${Object.entries(images)
  .map(([file, image]) => `<figure role="img" aria-label="${titleOf(file)}">${image}</figure>`)
  .join('')}
</html>
`;
}

const titleOf = (file: string): string => file.replace(/\.svg$/, '').replaceAll('-', ' ');

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
