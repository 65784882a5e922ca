import type { Action } from '../openwhisk/action-document';

/** A deep copy; code, which may be tens of megabytes, is an immutable string and is shared. */
export function copyOfAction(action: Action): Action {
  const { code, ...exec } = action.exec;
  const copy = structuredClone({ ...action, exec });
  return code === undefined ? copy : { ...copy, exec: { ...copy.exec, code } };
}

export function withoutCode(action: Action): Action {
  const exec = { ...action.exec };
  delete exec.code;
  return { ...action, exec };
}
