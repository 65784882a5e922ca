/** Makes an action in the page: its code in an editor, a model from a file. */
import { zipSync } from 'fflate';
import { useState } from 'preact/hooks';
import { Outcome } from './fields.js';
import { bytes } from './format.js';
import { html } from './html.js';

/** What OpenWhisk takes as the code of an action: 48 MB of base64 text, three quarters of it as bytes. */
const CODE_CHARS_MAX = 48 * 1024 ** 2;
const ARCHIVE_BYTES_MAX = Math.floor((CODE_CHARS_MAX / 4) * 3);

const WITH_MODEL = `const ort = require('onnxruntime-node');
const session = ort.InferenceSession.create('model.onnx');

// Inputs that are not given are zeros of the model's shapes.
exports.main = async ({ inputs = {} }) => {
  const s = await session;
  const feeds = Object.fromEntries(s.inputMetadata.map(({ name, type, shape }) => {
    const dims = inputs[name]?.dims ?? shape.map((dim) => (typeof dim === 'number' ? dim : 1));
    const size = dims.reduce((product, dim) => product * dim, 1);
    const data = inputs[name]?.data ?? new Array(size).fill(0);
    const big = type.endsWith('int64');
    return [name, new ort.Tensor(type, big ? data.map(BigInt) : data, dims)];
  }));
  const results = await s.run(feeds);
  const shown = (tensor) => ({ dims: tensor.dims, data: Array.from(tensor.data).slice(0, 8).map(Number) });
  return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, shown(tensor)]));
};
`;

const WITHOUT_MODEL = `function main({ name = 'world' }) {
  console.log('called with', name);
  return { greeting: 'Hello, ' + name + '!' };
}
`;

/** The code of an action as the API takes it. @throws Error that says what to do */
async function codeOf(code, model) {
  if (model === undefined) return { code, binary: false };
  if (model.size > ARCHIVE_BYTES_MAX) throw new Error(tooLarge(model.size));
  const files = { 'index.js': new TextEncoder().encode(code), 'model.onnx': new Uint8Array(await model.arrayBuffer()) };
  // Weights do not get smaller; the time is better spent otherwise.
  const archive = zipSync(files, { level: 0 });
  if (archive.length > ARCHIVE_BYTES_MAX) throw new Error(tooLarge(archive.length));
  return { code: await base64(archive), binary: true };
}

const tooLarge = (size) =>
  `${bytes(size)} are too many: OpenWhisk takes actions up to 48 MB of base64 text, ${bytes(ARCHIVE_BYTES_MAX)} of files. ` +
  'Start the platform with --models FOLDER (or --url PREFIX), and have the code load the model by its path there (or its URL).';

function base64(array) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(new Blob([array]));
  });
}

const positive = (text) => (/^[1-9]\d*$/.test(text) ? Number(text) : undefined);

export function CreateForm({ api, onCreated }) {
  const [fields, setFields] = useState({
    name: 'classify',
    code: undefined,
    model: undefined,
    slo: '',
    batch: '',
    memory: '256',
  });
  const [state, setState] = useState({ busy: false });
  const set =
    (name) =>
    ({ target }) =>
      setFields((now) => ({ ...now, [name]: target.value }));
  const code = fields.code ?? (fields.model === undefined ? WITHOUT_MODEL : WITH_MODEL);
  const submit = async (event) => {
    event.preventDefault();
    setState({ busy: true });
    try {
      const [slo, batch] = [positive(fields.slo), positive(fields.batch)];
      const annotations = [
        ...(slo === undefined ? [] : [{ key: 'tetris-slo', value: slo }]),
        ...(batch === undefined ? [] : [{ key: 'tetris-batching', value: batch }]),
      ];
      const exec = { kind: 'nodejs:tetris', ...(await codeOf(code, fields.model)) };
      await api.create(fields.name, { exec, annotations, limits: { memory: Number(fields.memory) } });
      setState({ busy: false, done: `${fields.name} is created.` });
      onCreated(fields.name);
    } catch (error) {
      setState({ busy: false, error: error.message });
    }
  };
  return html`<form class="form" onSubmit=${submit} aria-label="Create an action">
    <div class="fields">
      <label
        >Name<input name="name" required pattern="[A-Za-z0-9_][\\w@ .\\-]*" value=${fields.name} onInput=${set('name')}
      /></label>
      <label title="Annotation tetris-slo: answers are wanted within this time"
        >Objective, ms<input
          name="slo"
          inputmode="numeric"
          placeholder="none"
          value=${fields.slo}
          onInput=${set('slo')}
      /></label>
      <label title="Annotation tetris-batching: requests joined in one execution"
        >Batch<input name="batch" inputmode="numeric" placeholder="1" value=${fields.batch} onInput=${set('batch')}
      /></label>
      <label
        >Memory, MiB<input name="memory" inputmode="numeric" required value=${fields.memory} onInput=${set('memory')}
      /></label>
    </div>
    <label
      >Model, an ONNX file that the code loads as <code>model.onnx</code>
      <input
        type="file"
        name="model"
        accept=".onnx"
        aria-describedby="model-note"
        onChange=${({ target }) => setFields((now) => ({ ...now, model: target.files[0] }))}
    /></label>
    <p class="note" id="model-note">
      ${`Up to ${bytes(ARCHIVE_BYTES_MAX)} go into the action. A larger one is registered by `}<code
        >npm start -- --models FOLDER</code
      >${' and loaded by its path.'}
    </p>
    <label
      >Code
      <textarea
        class="code"
        name="code"
        rows="12"
        spellcheck="false"
        wrap="off"
        value=${code}
        onInput=${set('code')}
      ></textarea>
    </label>
    <div class="row">
      <button class="primary" disabled=${state.busy}>${state.busy ? 'Creating' : 'Create or update'}</button>
      <${Outcome} ...${state} />
    </div>
  </form>`;
}
