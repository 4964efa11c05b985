/**
 * The states of an instance: each entry says what causes it, what holds while it lasts, and what ends it.
 * `docs/reference/states.md` and its diagram are generated from here.
 */
export const STATES = {
  created: 'The plugin is loaded; the application does not listen yet. Ends when its first HTTP server listens.',
  working:
    'The application has work of its own (`waitUntil`, `onOffline`) and does not listen: nothing is registered. Ends when its first HTTP server listens, or with an offline.',
  starting:
    'An HTTP server listens, an offline was undone, or another server will be registered: start delay, choice of the server, probe, and connections built ahead. Ends when a server answers.',
  registering: 'The plugin writes the instance to the registry. Ends when the registry lists it.',
  warming: 'The registry lists it; consumers send a growing share. Ends when the warm-up time is over.',
  serving:
    'Registered, ready, full share. An instance that serves only a Unix socket is ready and not registered. Ends with an offline.',
  notifying:
    'An offline has begun: the plugin sends GoAways and removes the registry entry; the instance serves as before. Ends when every GoAway has its answer or time-out.',
  draining:
    'Every consumer that can be told was told; the instance waits until traffic is over. Ends when it is quiet, or at the deadline.',
  stopping: 'The plugin closes listeners and sockets and sends the trace. No way leads back from here.',
  stopped: 'The offline is over: the application decides how the process ends, or it ends at once.',
} as const;

/** A state of the machine. */
export type State = keyof typeof STATES;

/** What moves the machine. */
export const TRIGGERS = {
  working: 'the application calls `waitUntil` or `onOffline` for the first time',
  listening: 'the first HTTP server of the application listens',
  probed: 'the application answered its probe, or has none',
  registered: 'the registry lists this instance',
  portless: 'the application listens only on a Unix socket, so there is nothing to register',
  warmed: 'the warm-up time is over',
  moved: 'the application has closed the registered server, or another one takes its place',
  offline: 'a signal, a call of /offline, the API or the command line',
  notified: 'every GoAway has its answer or its time-out, and the registry was asked',
  drained: 'all traffic is done and quiet, or the deadline is reached',
  online: 'a call of /online, the API or the command line',
  stopped: 'listeners are closed and the trace is sent or spooled',
} as const;

/** A cause of a move. */
export type Trigger = keyof typeof TRIGGERS;

/** One legal move. */
export interface Transition {
  readonly from: State;
  readonly trigger: Trigger;
  readonly to: State;
}

/** The states before a server listens. */
const UNSEEN = ['created', 'working'] as const satisfies readonly State[];

/** The states from which an offline can begin, and in which the plugin may choose another server. */
const RUNNING = ['starting', 'registering', 'warming', 'serving'] as const satisfies readonly State[];

/** The states from which an offline can be undone. */
const UNDOABLE = ['notifying', 'draining'] as const satisfies readonly State[];

/** Every legal move. The machine refuses and records any other one. */
export const TRANSITIONS: readonly Transition[] = [
  { from: 'created', trigger: 'working', to: 'working' },
  ...UNSEEN.map((from) => ({ from, trigger: 'listening', to: 'starting' }) as const),
  { from: 'starting', trigger: 'probed', to: 'registering' },
  { from: 'registering', trigger: 'registered', to: 'warming' },
  { from: 'registering', trigger: 'portless', to: 'serving' },
  { from: 'warming', trigger: 'warmed', to: 'serving' },
  ...RUNNING.map((from) => ({ from, trigger: 'moved', to: 'starting' }) as const),
  { from: 'working', trigger: 'offline', to: 'notifying' },
  ...RUNNING.map((from) => ({ from, trigger: 'offline', to: 'notifying' }) as const),
  { from: 'notifying', trigger: 'notified', to: 'draining' },
  { from: 'draining', trigger: 'drained', to: 'stopping' },
  ...UNDOABLE.map((from) => ({ from, trigger: 'online', to: 'starting' }) as const),
  { from: 'stopping', trigger: 'stopped', to: 'stopped' },
];

/** Where `trigger` leads from `from`, or `undefined` when that move is not legal. */
export function next(from: State, trigger: Trigger): State | undefined {
  return TRANSITIONS.find((move) => move.from === from && move.trigger === trigger)?.to;
}

/** Whether no HTTP server has listened yet. */
export function isUnseen(state: State): boolean {
  return (UNSEEN as readonly State[]).includes(state);
}

/** Whether the instance comes online or is online: an offline can begin, and a server can be looked for again. */
export function isRunning(state: State): boolean {
  return (RUNNING as readonly State[]).includes(state);
}
