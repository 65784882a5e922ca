/** JSON as OpenWhisk prints it for people: an object's fields on lines of their own, arrays on one. */
export function pretty(value: unknown, indent = ''): string {
  if (Array.isArray(value)) return `[${value.map((each) => pretty(each, indent)).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = `${indent}  `;
  const fields = Object.entries(value).map(([key, each]) => `${inner}${JSON.stringify(key)}: ${pretty(each, inner)}`);
  return `{\n${fields.join(',\n')}\n${indent}}`;
}
