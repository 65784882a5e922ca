/** What is to be profiled, and how. */
import { useState } from 'preact/hooks';
import { Field, Outcome } from './fields.js';
import { html } from './html.js';
import { answerOf } from './live.js';
import { ModelChoice, modelOf } from './profile-model.js';

const ROOT = '/tetris/profile';

const FORMS = {
  plain: 'plain, as it came',
  optimized: 'optimized',
  int8: 'int8 weights',
  fp16: 'fp16 weights',
  int4: 'int4 weights',
};

/** Whole numbers with commas. @throws Error that names the field */
function numbers(name, text) {
  const values = text.split(',').map((part) => part.trim());
  if (values.every((value) => /^[1-9]\d{0,8}$/.test(value))) return values.map(Number);
  throw new Error(`${name} takes whole numbers from 1, with commas; got '${text}'`);
}

const optional = (name, text) => (text.trim() === '' ? undefined : numbers(name, text)[0]);

async function specOf(fields) {
  const dims = fields.dims.split(',').filter((part) => part.trim() !== '');
  // What is wrong is said before anything is uploaded.
  const spec = {
    variants: Object.keys(FORMS).filter((form) => fields.variants.has(form)),
    cpus: numbers('Cores', fields.cpus),
    memory: numbers('Memory limits', fields.memory),
    batches: numbers('Batches', fields.batches),
    workers: numbers('Workers', fields.workers),
    threads: numbers('Threads', fields.threads),
    sloMs: optional('Objective', fields.slo),
    rounds: numbers('Rounds', fields.rounds)[0],
    points: numbers('Configurations', fields.points)[0],
    dims: Object.fromEntries(
      dims.map((pair) => pair.split('=')).map(([dim, size = '']) => [dim.trim(), numbers('Dimensions', size)[0]]),
    ),
  };
  if (spec.variants.length === 0) throw new Error('Choose at least one form of the graph.');
  return { ...spec, model: await modelOf(fields) };
}

export function ProfileForm({ machine, roots, uploadBytesMax, onSubmitted }) {
  const [fields, setFields] = useState({
    source: 'upload',
    ...{ file: undefined, path: roots[0] ? `${roots[0]}/model.onnx` : '', action: '', archived: undefined },
    variants: new Set(['plain', 'optimized', 'int8']),
    cpus: [...new Set([1, machine.cores])].join(','),
    ...{ memory: '128,256,512,1024,2048', batches: '1,2,4,8', workers: '1,2', threads: '1,2' },
    ...{ slo: '', dims: '', rounds: '20', points: '64' },
  });
  const [state, setState] = useState({ busy: false });
  const change = (news) => setFields((now) => ({ ...now, ...news }));
  const field = (name, title, more) =>
    html`<${Field}
      ...${{ name, title, ...more }}
      value=${fields[name]}
      onInput=${(value) => change({ [name]: value })}
    />`;
  const toggle = (form) => {
    const variants = new Set(fields.variants);
    if (!variants.delete(form)) variants.add(form);
    change({ variants });
  };
  const submit = async (event) => {
    event.preventDefault();
    setState({ busy: true });
    try {
      const body = JSON.stringify(await specOf(fields));
      const job = await answerOf(`${ROOT}/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      setState({ busy: false });
      onSubmitted(job);
    } catch (error) {
      setState({ busy: false, error: error.message });
    }
  };
  return html`<form class="form" onSubmit=${submit} aria-label="Profile a model">
    <${ModelChoice} fields=${fields} change=${change} roots=${roots} uploadBytesMax=${uploadBytesMax} />
    <fieldset class="choices">
      <legend>Forms of the graph</legend>
      ${Object.entries(FORMS).map(
        ([form, text]) =>
          html`<label key=${form} class="check"
            ><input
              type="checkbox"
              name=${form}
              checked=${fields.variants.has(form)}
              onChange=${() => toggle(form)}
            />${text}</label
          >`,
      )}
    </fieldset>
    <div class="fields">
      ${field('slo', 'Objective, ms', { placeholder: 'none', hint: 'Latency objective: a configuration is chosen for it' })}
      ${field('batches', 'Batches')} ${field('workers', 'Workers')} ${field('threads', 'Threads')}
      ${field('cpus', `Cores, of ${machine.cores}`)} ${field('memory', 'Memory limits, MiB', { broad: true })}
      ${field('rounds', 'Rounds', { hint: 'Batches timed by each worker' })}
      ${field('points', 'Configurations', { hint: 'Measured at most; the rest is estimated' })}
      ${field('dims', 'Dimensions', { placeholder: 'sequence=128', hint: 'Sizes of symbolic dimensions other than the batch' })}
    </div>
    <div class="row">
      <button class="primary" disabled=${state.busy}>${state.busy ? 'Sending' : 'Profile'}</button>
      <${Outcome} error=${state.error} />
    </div>
  </form>`;
}
