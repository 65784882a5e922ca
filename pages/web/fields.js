/** Parts of forms. */
import { html } from './html.js';

/** A line of text. @param onInput is given the text */
export function Field({ name, title, value, onInput, hint, broad, ...input }) {
  return html`<label title=${hint} class=${broad ? 'broad' : null}
    >${title}<input name=${name} value=${value} onInput=${({ target }) => onInput(target.value)} ...${input}
  /></label>`;
}

/** Words that rows are looked for by. */
export function Find({ name, text, onInput }) {
  return html`<label class="inline"
    >Find <input name=${name} type="search" value=${text} onInput=${({ target }) => onInput(target.value)}
  /></label>`;
}

/** One of several. @param options `{ value, text }`, or texts that are their own values */
export function Choice({ name, title, value, options, onChange, inline }) {
  return html`<label class=${inline ? 'inline' : null}
    >${title}
    <select name=${name} value=${value} onChange=${({ target }) => onChange(target.value)}>
      ${options
        .map((option) => (typeof option === 'string' ? { value: option, text: option } : option))
        .map(
          ({ value: each, text }) =>
            html`<option key=${each} value=${each} selected=${each === value}>${text}</option>`,
        )}
    </select></label
  >`;
}

/** What came of a form, where it stands. */
export function Outcome({ done, error }) {
  return html`<p class=${error ? 'outcome bad' : 'outcome good'} role="status">${error ?? done ?? ''}</p>`;
}
