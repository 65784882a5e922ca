/**
 * Replaces top-level values of a JSON object in its text. The rest stays byte for byte: unknown fields, their order,
 * and number forms such as `1.0` or integers beyond 2^53, all of which parsing and writing again would change.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const SPACE = 0x20;

/**
 * @param json text of one JSON object, known to be valid (it has been parsed).
 * @param replacements JSON text by top-level key. A key that the object lacks is not added.
 */
export function spliceTopLevel(json: string, replacements: Readonly<Record<string, string>>): string {
  let result = '';
  let copied = 0;
  for (const { name, start, end } of topLevel(json)) {
    const replacement = Object.hasOwn(replacements, name) ? replacements[name] : undefined;
    if (replacement === undefined) continue;
    result += json.slice(copied, start) + replacement;
    copied = end;
  }
  return result + json.slice(copied);
}

/** The JSON text of one top-level value; undefined where there is none. @param json as {@link spliceTopLevel} */
export function topLevelText(json: string, name: string): string | undefined {
  for (const entry of topLevel(json)) if (entry.name === name) return json.slice(entry.start, entry.end);
  return undefined;
}

/** The entries of an object, with where their values begin and end. */
function* topLevel(json: string): Generator<{ name: string; start: number; end: number }> {
  let at = skipBlanks(json, skipBlanks(json, 0) + 1);
  while (at < json.length && json.charCodeAt(at) !== CLOSE_BRACE) {
    const keyEnd = skipString(json, at);
    const name = String(JSON.parse(json.slice(at, keyEnd)));
    const start = skipBlanks(json, skipBlanks(json, keyEnd) + 1);
    const end = skipValue(json, start);
    yield { name, start, end };
    at = skipBlanks(json, end);
    if (json.charCodeAt(at) === COMMA) at = skipBlanks(json, at + 1);
  }
}

function skipBlanks(json: string, from: number): number {
  let at = from;
  while (at < json.length && json.charCodeAt(at) <= SPACE) at += 1;
  return at;
}

/** @param from index of the opening quote. @returns the index after the closing one */
function skipString(json: string, from: number): number {
  let at = from + 1;
  for (; at < json.length; at += 1) {
    const code = json.charCodeAt(at);
    if (code === BACKSLASH) at += 1;
    else if (code === QUOTE) break;
  }
  return at + 1;
}

function skipValue(json: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < json.length) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) {
      at = skipString(json, at);
      if (depth === 0) return at;
      continue;
    }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth += 1;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      if (depth === 0) return at;
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (depth === 0 && (code === COMMA || code <= SPACE)) {
      return at;
    }
    at += 1;
  }
  return at;
}
