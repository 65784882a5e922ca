/** Invokes an action, once or several times at once, and shows what came of it. */
import { useEffect, useState } from 'preact/hooks';
import { annotation } from './api.js';
import { Choice, Outcome } from './fields.js';
import { time } from './format.js';
import { html } from './html.js';
import { stepsOfRecord, totalMs, Way } from './way.js';

const AT_ONCE_MAX = 64;

export function InvokeForm({ api, names, chosen, onChoose, onInvoked }) {
  const [input, setInput] = useState('{}');
  const [times, setTimes] = useState('1');
  const [state, setState] = useState({ busy: false });
  useEffect(() => setState({ busy: false }), [chosen]);
  const name = names.includes(chosen) ? chosen : names[0];
  const submit = async (event) => {
    event.preventDefault();
    const count = Math.min(AT_ONCE_MAX, Math.max(1, Number(times) || 1));
    setState({ busy: true });
    try {
      const given = parsed(input);
      const runs = await Promise.allSettled(Array.from({ length: count }, () => api.invoke(name, given)));
      const records = runs.flatMap(({ value }) => value ?? []);
      const broken = runs.find(({ reason }) => reason !== undefined);
      setState({ busy: false, records, error: broken?.reason.message });
      onInvoked();
    } catch (error) {
      setState({ busy: false, error: error.message });
    }
  };
  if (name === undefined) return html`<p class="empty">Create an action first.</p>`;
  return html`<form class="form" onSubmit=${submit} aria-label="Invoke an action">
      <div class="fields">
        <${Choice} ...${{ name: 'action', title: 'Action', value: name, options: names }} onChange=${onChoose} />
        <label title="As many activations at once, so that instances come"
          >At once<input
            name="times"
            type="number"
            min="1"
            max=${AT_ONCE_MAX}
            value=${times}
            onInput=${({ target }) => setTimes(target.value)}
        /></label>
      </div>
      <label
        >Input, as JSON
        <textarea
          class="code"
          name="input"
          rows="3"
          spellcheck="false"
          value=${input}
          onInput=${({ target }) => setInput(target.value)}
        ></textarea>
      </label>
      <div class="row">
        <button class="primary" disabled=${state.busy}>${state.busy ? 'Running' : 'Invoke'}</button>
        <${Outcome} error=${state.error} />
      </div>
    </form>
    ${state.records?.length > 0 && html`<${Answers} records=${state.records} />`}`;
}

function parsed(text) {
  try {
    const value = JSON.parse(text.trim() === '' ? '{}' : text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    throw new Error(`The input is no JSON: ${error.message}`);
  }
  throw new Error('The input is an object, such as {"name": "you"}.');
}

function Answers({ records }) {
  const ways = records.map((record) => stepsOfRecord(record, annotation));
  const longest = Math.max(...ways.map(totalMs));
  const failed = records.filter(({ response }) => !response.success).length;
  const [first] = records;
  return html`<div class="answers" aria-live="polite">
    <p>
      <b class=${failed > 0 ? 'bad' : 'good'} data-outcome=${failed > 0 ? 'failed' : 'success'}
        >${records.length === 1 ? first.response.status : `${records.length - failed} of ${records.length} answered`}</b
      >
      ${` in ${time(longest)}`}
    </p>
    ${ways.slice(0, 16).map((steps, at) => html`<${Way} key=${at} steps=${steps} scaleMs=${longest} named=${at === Math.min(ways.length, 16) - 1} />`)}
    <pre class="result" tabindex="0">${JSON.stringify(first.response.result, null, 1)}</pre>
  </div>`;
}
