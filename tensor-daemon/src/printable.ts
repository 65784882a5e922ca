/**
 * What a terminal would obey instead of showing: control characters, and what turns, joins or hides text. Names of
 * models and namespaces are their users' own.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/gu;

/** The text with all such characters written as JSON's escapes. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escapes);
}

/** JSON of a value, indented, that is safe to show as well; it reads back as the same value. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replace(UNPRINTABLE, (char) => (char === '\n' ? char : escapes(char)));
}

function escapes(char: string): string {
  const units = Array.from({ length: char.length }, (_, index) => char.charCodeAt(index));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
