/**
 * The life of a function instance. Pure.
 *
 *     starting --created--> initialising --initialised--> busy <--assigned/idle--> warm <--paused/assigned--> paused
 *        |                       |                          |                        |                         |
 *        |                       +---------broken-----------+--> draining --idle--> ending <-------end---------+
 *        +--ended--> gone   (every state: ended --> gone, because any container can be killed at any time)
 *
 * `draining` takes no activation and ends when those it has are answered; `ending` has been told to stop.
 */
export const INSTANCE_STATES = [
  'starting',
  'initialising',
  'warm',
  'busy',
  'paused',
  'draining',
  'ending',
  'gone',
] as const;
export type InstanceState = (typeof INSTANCE_STATES)[number];

export const INSTANCE_EVENTS = [
  'created', // the container runs and `/init` is sent
  'initialised', // it is ready and runs the activation that started it
  'assigned', // it was given an activation
  'idle', // its last activation was answered
  'paused', // it was frozen
  'drain', // it is to take no more: it failed, or its memory is wanted
  'end', // it is to be destroyed now
  'ended', // its container is no more
] as const;
export type InstanceEvent = (typeof INSTANCE_EVENTS)[number];

/** States x events; `undefined` is a fault of the caller. */
export const TRANSITIONS: Readonly<Record<InstanceState, Readonly<Record<InstanceEvent, InstanceState | undefined>>>> =
  {
    starting: row({ created: 'initialising', drain: 'draining', end: 'ending' }),
    initialising: row({ initialised: 'busy', drain: 'draining', end: 'ending' }),
    warm: row({ assigned: 'busy', paused: 'paused', drain: 'ending', end: 'ending' }),
    busy: row({ assigned: 'busy', idle: 'warm', drain: 'draining' }),
    paused: row({ assigned: 'busy', drain: 'ending', end: 'ending' }),
    draining: row({ created: 'draining', initialised: 'draining', idle: 'ending', drain: 'draining', end: 'ending' }),
    ending: row({ idle: 'ending', drain: 'ending', end: 'ending' }),
    gone: row({ ended: 'gone' }),
  };

function row(
  cells: Partial<Record<InstanceEvent, InstanceState>>,
): Readonly<Record<InstanceEvent, InstanceState | undefined>> {
  const none = {
    created: undefined,
    initialised: undefined,
    assigned: undefined,
    idle: undefined,
    paused: undefined,
    drain: undefined,
    end: undefined,
    ended: 'gone' as const,
  };
  return { ...none, ...cells };
}

/** @throws RangeError where the event cannot happen in the state */
export function nextState(state: InstanceState, event: InstanceEvent): InstanceState {
  const next = TRANSITIONS[state][event];
  if (next === undefined) throw new RangeError(`event '${event}' in state '${state}'`);
  return next;
}
