/** Which model is to be profiled: an upload, a file that is registered, or one in the archive of an action. */
import { useState } from 'preact/hooks';
import { Choice, Field } from './fields.js';
import { bytes } from './format.js';
import { html } from './html.js';
import { answerOf, useAnswer } from './live.js';

const MODELS = '/tetris/profile/models';
const SOURCES = [
  ['upload', 'upload'],
  ['path', 'registered file'],
  ['action', 'of an action'],
];

const inArchive = (action) => `${MODELS}?${new URLSearchParams({ action })}`;

/** The model as the service takes it, uploaded where need be. @throws Error that says what is missing */
export async function modelOf({ source, file, path, action, archived }) {
  if (source === 'path') return { kind: 'path', path };
  if (source === 'action') return { kind: 'action', action, ...(await chosenIn(action, archived)) };
  if (file === undefined) throw new Error('Choose a model file, or name one.');
  const headers = { 'content-type': 'application/octet-stream' };
  const { sha256 } = await answerOf(MODELS, { method: 'PUT', headers, body: file });
  return { kind: 'upload', sha256, name: file.name };
}

async function chosenIn(action, archived) {
  if (action.trim() === '') throw new Error('Name an action.');
  const names = await answerOf(inArchive(action));
  if (names.includes(archived)) return { file: archived };
  if (names.length > 1) throw new Error(`${action} has several models: choose one.`);
  return {};
}

export function ModelChoice({ fields, change, roots, uploadBytesMax }) {
  const { source, path } = fields;
  return html`<fieldset class="choices">
      <legend>Model</legend>
      ${SOURCES.map(
        ([value, text]) =>
          html`<label key=${value} class="check"
            ><input
              type="radio"
              name="source"
              value=${value}
              checked=${source === value}
              onChange=${() => change({ source: value })}
            />${text}</label
          >`,
      )}
    </fieldset>
    ${
      source === 'upload' &&
      html`<label
        >ONNX file, up to ${bytes(uploadBytesMax)}
        <input type="file" name="file" accept=".onnx" onChange=${({ target }) => change({ file: target.files[0] })}
      /></label>`
    }
    ${
      source === 'path' &&
      html`<${Field}
        ...${{ name: 'path', title: 'Path below a registered model folder', value: path, hint: roots.join(', ') }}
        onInput=${(value) => change({ path: value })}
      />`
    }
    ${source === 'action' && html`<${OfAction} fields=${fields} change=${change} />`}`;
}

/** An action, and which of its models where it has several: they are asked for when its name is written. */
function OfAction({ fields: { action, archived }, change }) {
  const [asked, setAsked] = useState(action);
  const { value: names = [], error } = useAnswer(asked === '' ? undefined : inArchive(asked));
  const options = [{ value: '', text: 'choose one' }, ...names];
  return html`<${Field}
      ...${{ name: 'action', title: 'Name of an action with a model in its archive', value: action }}
      placeholder="classify"
      onInput=${(value) => change({ action: value, archived: undefined })}
      onChange=${({ target }) => setAsked(target.value.trim())}
    />
    ${error && html`<p class="note bad" role="status">${error}</p>`}
    ${
      names.length > 1 &&
      html`<${Choice}
        ...${{ name: 'archived', title: 'Model in its archive', value: archived ?? '', options }}
        onChange=${(value) => change({ archived: value })}
      />`
    }`;
}
