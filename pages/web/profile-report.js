/** A model's profiles: the choice, charts, every configuration, machine beside machine. */
import { useMemo } from 'preact/hooks';
import { BatchChart } from './batch-chart.js';
import { bytes, date, number, time } from './format.js';
import { html } from './html.js';
import { machineName, Rows } from './profile-rows.js';

/** Bars of the chart of costs; the table has all. */
const COSTS_MAX = 14;

/** @param report see `report-data.ts` of the profiler */
export function ProfileReport({ report }) {
  const { model, machines, rows, options } = report;
  return html`<div class="report">
    <p class="soft">
      ${`${bytes(model.bytes)}, SHA-256 `}<code title=${model.sha256}>${`${model.sha256.slice(0, 16)}…`}</code>
    </p>
    ${machines.map((machine, at) => html`<${Verdict} key=${at} machine=${machine} several=${machines.length > 1} />`)}
    ${rows.length > 0 && html`<${Charts} report=${report} />`}
    ${
      rows.length > 0 &&
      html`<h3>All configurations</h3>
        <${Rows} rows=${rows} machines=${machines} />`
    }
    ${machines.map((machine, at) => html`<${Details} key=${at} machine=${machine} several=${machines.length > 1} />`)}
    ${
      options.command !== undefined &&
      html`<h3>Command</h3>
        <pre tabindex="0">${options.command}</pre>`
    }
  </div>`;
}

function Verdict({ machine, several }) {
  const facts = [
    several ? undefined : machineName(machine),
    `Node ${machine.node}, onnxruntime ${machine.onnxruntime}`,
    machine.measuredMs === undefined ? undefined : `measured ${date(machine.measuredMs)}`,
  ];
  return html`<div class="verdict">
    ${several && html`<b>${machineName(machine)}</b>`}
    <p class="said" data-verdict>${machine.verdict}</p>
    ${machine.wsk !== undefined && html`<${Copy} text=${machine.wsk} />`}
    <p class="note">${facts.filter(Boolean).join(' · ')}</p>
  </div>`;
}

/** A line to copy. */
function Copy({ text }) {
  const copy = ({ currentTarget }) => {
    void navigator.clipboard?.writeText(text).then(() => {
      currentTarget.textContent = 'Copied';
    });
  };
  return html`<div class="copy">
    <pre tabindex="0" data-wsk>${text}</pre>
    <button onClick=${copy}>Copy</button>
  </div>`;
}

function Charts({ report }) {
  const { rows, machines, options } = report;
  const several = machines.length > 1;
  const series = useMemo(() => seriesOf(rows, several), [rows, several]);
  return html`<div class="charts">
      <figure>
        <h3>Latency against batch</h3>
        <${BatchChart}
          series=${series}
          figure="p95Ms"
          format=${time}
          log
          limit=${options.sloMs}
          what="95th percentile of a batch"
        />
        <figcaption class="note">
          95th percentile of a batch while every worker is busy, on a scale of
          powers.${options.sloMs ? ` Dashed: the objective of ${options.sloMs} ms.` : ''}
        </figcaption>
      </figure>
      <figure>
        <h3>Throughput for memory</h3>
        <${BatchChart} series=${series} figure="worth" format=${number} what="requests per second for each MiB" />
        <figcaption class="note">Requests per second for each MiB of an instance; more is better.</figcaption>
      </figure>
    </div>
    <ul class="series">
      ${series.map(({ label, at }) => html`<li key=${label}><i class=${`mark series-${at % 8}`}></i>${label}</li>`)}
      <li class="soft">hollow: estimated, not measured</li>
    </ul>
    <${Costs} report=${report} />`;
}

/** A line for each configuration but for the batch. */
function seriesOf(rows, several) {
  const series = new Map();
  for (const row of rows) {
    const label = `${several ? `${row.machine + 1}: ` : ''}${row.variant} cpu=${row.cpu} p=${row.concurrency} t=${row.threads}`;
    series.set(label, [...(series.get(label) ?? []), row]);
  }
  return [...series]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([label, points], at) => ({ label, at, points: points.sort((one, other) => one.batch - other.batch) }));
}

/** Memory x time of a request against the base, the cheapest first. */
function Costs({ report: { rows, machines, options } }) {
  const known = rows.filter(({ cost, source }) => cost !== undefined && source === 'measured');
  const sorted = [...known].sort((one, other) => one.cost - other.cost).slice(0, COSTS_MAX);
  if (sorted.length === 0) return null;
  const most = Math.max(1, ...sorted.map(({ cost }) => cost));
  const base = machines[0].base;
  return html`<h3>Cost of a request</h3>
    <p class="note">
      ${`Memory that the instance is given x time, 1 is ${base}${options.baseBytes ? ` (memory chosen: ${bytes(options.baseBytes)})` : ''}; less is better.`}
    </p>
    <ol class="costs">
      ${sorted.map(
        ({ name, machine, cost, money, chosen, limitBytes }) =>
          html`<li key=${`${machine} ${name}`} class=${chosen ? 'chosen' : ''}>
            <span class="mono">${machines.length > 1 ? `${machine + 1}: ` : ''}${name}</span>
            <span class="cost-bar"><i style=${{ width: `${(100 * cost) / most}%` }}></i></span>
            <span>${number(cost)}</span>
            <span class="soft"
              >${bytes(limitBytes)}${money !== undefined ? ` · ${number(money)} per million` : ''}</span
            >
          </li>`,
      )}
    </ol>`;
}

function Details({ machine, several }) {
  const { variants, conversions, failures } = machine;
  if (variants === undefined && conversions.length === 0 && failures.length === 0) return null;
  return html`<div>
    ${several && html`<h3>${machineName(machine)}</h3>`}
    ${
      variants !== undefined &&
      html`<h3>Forms of the graph, each as ${variants.shape}</h3>
        <div class="table" tabindex="0" role="group" aria-label="Forms of the graph">
          <table>
            <thead>
              <tr>
                ${['form', 'p50', 'req/s', 'load', 'first load', 'own', 'shared'].map((head) => html`<th key=${head} class="plain" scope="col">${head}</th>`)}
              </tr>
            </thead>
            <tbody>
              ${variants.rows.map(
                ({ variant, sharedBytes, firstLoadMs }, at) =>
                  html`<tr key=${variant}>
                    <th scope="row">${variant}</th>
                    <td>${time(variants.figures[at].p50Ms)}</td>
                    <td>${number(variants.figures[at].throughput)}</td>
                    <td>${time(variants.figures[at].loadMs)}</td>
                    <td>${time(firstLoadMs)}</td>
                    <td>${bytes(variants.figures[at].steadyBytes)}</td>
                    <td>${bytes(sharedBytes)}</td>
                  </tr>`,
              )}
            </tbody>
          </table>
        </div>`
    }
    ${conversions.map((line) => html`<p key=${line} class="note">${line}</p>`)}
    ${
      failures.length > 0 &&
      html`<h3>Not possible</h3>
        <ul data-failures>
          ${failures.map(({ reason, points }) => html`<li key=${reason}>${reason}<br /><span class="note">${points.join(', ')}</span></li>`)}
        </ul>`
    }
  </div>`;
}
