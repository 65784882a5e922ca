/** The last activations: what went in, what came out, what it printed, where the time went. */
import { useEffect, useState } from 'preact/hooks';
import { annotation } from './api.js';
import { clock, time } from './format.js';
import { html } from './html.js';
import { answerOf } from './live.js';
import { stepsOfRecord, totalMs, Way } from './way.js';

const SHOWN = 12;

/** @param turn changes when there may be others */
export function Activations({ api, turn }) {
  const [rows, setRows] = useState([]);
  const [open, setOpen] = useState(undefined);
  useEffect(() => {
    let left = false;
    api
      .activations(SHOWN)
      .then((list) => !left && setRows(list))
      .catch(() => undefined);
    return () => {
      left = true;
    };
  }, [api, turn]);
  if (rows.length === 0) return html`<p class="empty">None yet.</p>`;
  const steps = rows.map((row) => stepsOfRecord(row, annotation));
  const longest = Math.max(...steps.map(totalMs));
  return html`<ul class="activations">
    ${rows.map((row, at) => {
      const id = row.activationId;
      const isOpen = open === id;
      return html`<li key=${id}>
        <button class="activation" aria-expanded=${isOpen} onClick=${() => setOpen(isOpen ? undefined : id)}>
          <span
            class=${`status ${row.statusCode === 0 ? 'good' : 'bad'}`}
            aria-label=${row.statusCode === 0 ? 'success' : 'failed'}
            >${row.statusCode === 0 ? '✓' : '✗'}</span
          >
          <b class="name">${row.name}</b>
          <span class="soft when">${clock(row.start)}</span>
          <${Way} steps=${steps[at]} scaleMs=${longest} />
          <span class="took">${time(totalMs(steps[at]))}</span>
        </button>
        ${isOpen && html`<${Activation} api=${api} id=${id} />`}
      </li>`;
    })}
  </ul>`;
}

function Activation({ api, id }) {
  const [{ record, input, error }, setState] = useState({});
  useEffect(() => {
    Promise.all([api.activation(id), answerOf(`/tetris/inputs/${id}`)])
      .then(([full, { input: given }]) => setState({ record: full, input: given }))
      .catch((problem) => setState({ error: problem.message }));
  }, [api, id]);
  if (error) return html`<p class="bad">${error}</p>`;
  if (record === undefined) return html`<p class="soft">Loading</p>`;
  const told = annotation(record, 'tetris') ?? {};
  const facts = [
    `${record.response.status}`,
    told.batch > 0 && `batch of ${told.batch}`,
    told.objectiveMet !== undefined && (told.objectiveMet ? 'within its objective' : 'later than its objective'),
    annotation(record, 'initTime') === undefined ? 'warm' : 'cold start',
  ];
  return html`<div class="activation-details">
    <p class="soft">${facts.filter(Boolean).join(' · ')} · <code>${id}</code></p>
    <${Way} steps=${stepsOfRecord(record, annotation)} named />
    <h3>Input</h3>
    <pre tabindex="0">
${input === null ? 'No longer kept: that of the last 50 is.' : JSON.stringify(input, null, 1)}</pre>
    <h3>Answer</h3>
    <pre tabindex="0">${JSON.stringify(record.response.result, null, 1)}</pre>
    <h3>Logs</h3>
    <pre tabindex="0">${record.logs.length === 0 ? 'It printed nothing.' : record.logs.join('\n')}</pre>
  </div>`;
}
