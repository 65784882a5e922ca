/** Markup in templates: `html\`<p class=${name}>${text}</p>\``. What stands in a hole is text, never markup. */
import htm from 'htm';
import { h } from 'preact';

export const html = htm.bind(h);
