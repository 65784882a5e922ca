/** Which functions of a cluster have tensors in common. */
import { useState } from 'preact/hooks';
import { Find } from './fields.js';
import { html } from './html.js';
import { OverlapMatrix } from './overlap.js';
import { Panel } from './shell.js';
import { byText } from './table.js';

/** Functions of the matrix: more cannot be read. */
const MATRIX_MAX = 24;

/** Those invoked most, and then those with most tensors; a name once. */
function matrixNames(functions, text) {
  const known = functions.filter(({ tensorBytes, name }) => tensorBytes > 0 && name.includes(text));
  const sorted = [...known].sort(
    (one, other) => other.activations - one.activations || other.tensorBytes - one.tensorBytes,
  );
  return [...new Set(sorted.map(({ name }) => name))].slice(0, MATRIX_MAX).sort(byText.compare);
}

export function Overlap({ functions }) {
  const [text, setText] = useState('');
  const names = matrixNames(functions, text);
  return html`<${Panel}
    id="overlap"
    title="Tensor overlap"
    wide
    note=${`percent of the row's tensors that the column has too; ${names.length} functions`}
    actions=${html`<${Find} name="find-overlap" text=${text} onInput=${setText} />`}
  >
    <${OverlapMatrix} names=${names} turn=${names.join()} />
  <//>`;
}
