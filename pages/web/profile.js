/** The profiling service: ask for a profile, see how far it is, read it, compare machines. */
import { useState } from 'preact/hooks';
import { Field, Outcome } from './fields.js';
import { count, date } from './format.js';
import { html } from './html.js';
import { answerOf, useAnswer, useLive } from './live.js';
import { ProfileForm } from './profile-form.js';
import { ProfileReport } from './profile-report.js';
import { Panel, Shell, show } from './shell.js';

const ROOT = '/tetris/profile';
const LINKS = [
  { href: '/', text: 'Home' },
  { href: ROOT, text: 'Profiles', current: true },
];

const STATES = { queued: 'waits', running: 'runs', done: 'done', failed: 'failed', cancelled: 'cancelled' };

/** Beside the state's name. */
function detailOf({ state, measured, error, progress }) {
  if (state === 'done')
    return measured === 0 ? 'known from the archive' : `${count(measured, 'configuration')} measured`;
  if (state === 'failed') return error;
  if (state === 'running' && progress) return `${progress.done} of ${progress.total}: ${progress.point}`;
  return undefined;
}

function Jobs({ jobs, onOpen }) {
  const [error, setError] = useState(undefined);
  const remove = (id) =>
    answerOf(`${ROOT}/jobs/${id}`, { method: 'DELETE' }).then(
      () => setError(undefined),
      (problem) => setError(problem.message),
    );
  if (jobs.length === 0) return html`<p class="empty">None yet.</p>`;
  return html`<${Outcome} error=${error} />
    <ul class="jobs">
      ${jobs.map((job) => {
        const { id, spec, state, model, progress, createdMs, command } = job;
        const name = model?.name.split('/').at(-1) ?? spec.model.name ?? spec.model.action ?? spec.model.path;
        const told = detailOf(job);
        const over = !['queued', 'running'].includes(state);
        return html`<li key=${id} data-job=${state}>
          <div class="row">
            <b class="name" title=${command}>${name}</b>
            <span class=${`tag ${state === 'failed' ? 'bad' : state === 'done' ? 'good' : ''}`}>${STATES[state]}</span>
            <span class="gap"></span>
            <span class="note">${date(createdMs)}</span>
            ${state === 'done' && html`<button onClick=${() => onOpen(model, spec.sloMs)}>Report</button>`}
            <button
              class="quiet"
              onClick=${() => remove(id)}
              aria-label=${`${over ? 'Forget' : 'Cancel'} the profile of ${name}`}
            >
              ✕
            </button>
          </div>
          ${state === 'running' && html`<progress max=${progress?.total ?? 1} value=${progress?.done ?? null} aria-label="Progress"></progress>`}
          ${told !== undefined && html`<p class=${`note ${state === 'failed' ? 'bad' : ''}`}>${told}</p>`}
        </li>`;
      })}
    </ul>`;
}

function Known({ turn, onOpen, onImported }) {
  const { value: models = [], error } = useAnswer(`${ROOT}/results`, turn);
  const [state, setState] = useState({});
  const bring = async ({ target }) => {
    try {
      const body = await target.files[0].text();
      const [first] = await answerOf(`${ROOT}/results`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      setState({ done: `${first.rows} rows of ${first.machine.cpu} came.` });
      onImported(first);
    } catch (error) {
      setState({ error: error.message });
    }
    target.value = '';
  };
  return html`${error && html`<p class="bad">${error}</p>`}
    ${!error && models.length === 0 && html`<p class="empty">None yet.</p>`}
    <ul class="jobs">
      ${models.map(
        (model) =>
          html`<li key=${`${model.sha256} ${model.bytes}`} class="row">
            <b class="name">${model.name.split('/').at(-1)}</b
            ><span class="note mono">${model.sha256.slice(0, 12)}</span>
            <span class="gap"></span>
            <button onClick=${() => onOpen(model)}>Open</button>
          </li>`,
      )}
    </ul>
    <label
      >Results of another machine, as JSON<input
        type="file"
        name="import"
        accept=".json,application/json"
        onChange=${bring}
    /></label>
    <${Outcome} ...${state} />`;
}

function Report({ model, turn }) {
  const [options, setOptions] = useState({ slo: model.slo ?? '', base: '', price: '0.0000167' });
  // What is no number is told by the service.
  const given = Object.entries(options).filter(([, value]) => String(value).trim() !== '');
  const query = new URLSearchParams([['sha256', model.sha256], ['bytes', model.bytes], ...given]);
  const { value, error } = useAnswer(`${ROOT}/report?${query}`, turn);
  const field = (name, title) =>
    html`<${Field}
      ...${{ name, title, value: options[name], inputmode: 'decimal' }}
      onInput=${(value) => setOptions((now) => ({ ...now, [name]: value }))}
    />`;
  return html`<${Panel}
    id="report"
    title=${model.name.split('/').at(-1)}
    wide
    actions=${html`<a href=${`${ROOT}/report.json?${query}`} download>Export JSON</a><a href=${`${ROOT}/report.html?${query}`} download>Save as HTML</a>`}
  >
    <div class="fields report-options">
      ${field('slo', 'Objective, ms')} ${field('base', 'Cost against memory, MiB')}
      ${field('price', 'Price of a GB-second')}
    </div>
    ${error && html`<p class="bad">${error}</p>`} ${value && html`<${ProfileReport} report=${value} />`}
  <//>`;
}

function Profiles({ machine, roots, uploadBytesMax }) {
  const { state: jobs = [], ...live } = useLive(`${ROOT}/events`);
  const [model, setModel] = useState(undefined);
  const [imports, setImports] = useState(0);
  const turn = `${imports} ${jobs.filter(({ state }) => state === 'done').length} ${jobs.map(({ progress }) => progress?.done).join()}`;
  const openReport = (known, slo) => setModel({ ...known, slo });
  return html`<${Shell} title="Tetris profiles" links=${LINKS} live=${live}>
    <div class="two">
      <${Panel} id="new" title="Profile a model" note=${`on this machine: ${machine.cpu}, ${machine.cores} cores`}>
        <${ProfileForm}
          machine=${machine}
          roots=${roots}
          uploadBytesMax=${uploadBytesMax}
          onSubmitted=${() => undefined}
        />
      <//>
      <div class="column">
        <${Panel} id="jobs" title="Jobs" note="one at a time"><${Jobs} jobs=${jobs} onOpen=${openReport} /><//>
        <${Panel} id="known" title="Results">
          <${Known}
            turn=${turn}
            onOpen=${openReport}
            onImported=${(first) => {
              setImports((times) => times + 1);
              // Of the same model as before: for the same objective.
              openReport(first, first.sha256 === model?.sha256 ? model.slo : undefined);
            }}
          />
        <//>
      </div>
      ${model !== undefined && html`<${Report} key=${`${model.sha256} ${model.bytes} ${model.slo}`} model=${model} turn=${turn} />`}
    </div>
  <//>`;
}

show(Profiles);
