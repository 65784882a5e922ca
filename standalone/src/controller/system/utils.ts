/**
 * The actions of `whisk.system/utils`, which clients' examples and tests use: same parameters and results as
 * OpenWhisk's.
 */

export interface SystemAction {
  name: string;
  description: string;
  /** Names of its parameters, as `wsk action get --summary` tells them. */
  parameters: readonly string[];
  code: string;
}

export const UTILS: readonly SystemAction[] = [
  {
    name: 'echo',
    description: 'Returns the input',
    parameters: ['payload'],
    code: 'function main(params) { return params || {}; }',
  },
  {
    name: 'cat',
    description: 'Concatenates input into a string',
    parameters: ['lines'],
    code: "function main({ lines = [] }) { return { lines, payload: lines.join('\\n') }; }",
  },
  {
    name: 'split',
    description: 'Split a string into an array',
    parameters: ['payload', 'separator'],
    code: `function main({ payload, separator = /\\r?\\n/ }) {
  return { lines: String(payload).split(separator), payload };
}`,
  },
  {
    name: 'sort',
    description: 'Sorts an array',
    parameters: ['lines'],
    code: 'function main({ lines = [] }) { return { lines: [...lines].sort(), length: lines.length }; }',
  },
  {
    name: 'head',
    description: 'Extract prefix of an array',
    parameters: ['lines', 'num'],
    code: 'function main({ lines = [], num = 1 }) { return { lines: lines.slice(0, num), num }; }',
  },
  {
    name: 'date',
    description: 'Current date and time',
    parameters: [],
    code: 'function main() { return { date: new Date() }; }',
  },
  {
    name: 'smash',
    description: 'Nests all properties under given property',
    parameters: ['$fieldName'],
    code: `function main({ $fieldName: field, ...rest }) {
  if (typeof field === 'string') return { [field]: rest };
  return { error: "Expected an argument '$fieldName' of type 'string'." };
}`,
  },
  {
    name: 'namespace',
    description: 'Returns namespace for the authorization key used to invoke this action',
    parameters: [],
    code: 'function main() { return { namespace: process.env.__OW_NAMESPACE }; }',
  },
  {
    name: 'hosturl',
    description: 'Returns the URL to activate an action or trigger',
    parameters: ['path', 'web', 'ext', 'trigger'],
    code: `const EXTENSIONS = ['.html', '.http', '.json', '.svg', '.text'];
function main({ path, web, ext = '', trigger }) {
  const isWeb = web === true;
  if (isWeb && trigger) return { error: 'triggers are not allowed for web actions.' };
  if (isWeb && ext !== '' && !EXTENSIONS.includes(ext)) {
    return { error: 'extension for web action must be one of ' + JSON.stringify(EXTENSIONS) + '.' };
  }
  if (trigger && path && path.includes('/')) return { error: 'triggers are not allowed in packages.' };
  const { __OW_API_HOST: host, __OW_NAMESPACE: namespace } = process.env;
  const collection = trigger === true ? 'triggers' : 'actions';
  const base = host + '/api/v1/' + (isWeb ? 'web/' + namespace : 'namespaces/' + namespace + '/' + collection);
  if (!path) return { url: base };
  return { url: base + '/' + (isWeb && !path.includes('/') ? 'default/' : '') + path + (isWeb ? ext : '') };
}`,
  },
];
