import { type State, TRANSITIONS, type Trigger } from './transitions.ts';

/** The answer to a move that the machine refuses. */
export interface Refusal {
  readonly result: 'refused';
  readonly trigger: Trigger;
  /** The state in which the machine stays. */
  readonly state: State;
  /** Where the move is legal, and what to do. */
  readonly message: string;
}

const NOTHING_LEFT =
  'there is nothing to undo; the instance comes online by itself when an HTTP server of the application listens';
const LEFT = 'the instance has left; start a new process';

/** What to do instead, for the moves that operators request. */
const ADVICE: Readonly<Partial<Record<Trigger, Readonly<Partial<Record<State, string>>>>>> = {
  offline: {
    created: 'no HTTP server of the application listens, so there is nothing to leave; the process can end as it is',
  },
  online: {
    created: NOTHING_LEFT,
    working: NOTHING_LEFT,
    starting: 'the instance is coming online already',
    registering: 'the instance is coming online already',
    warming: 'the instance is online',
    serving: 'the instance is online',
    stopping: LEFT,
    stopped: LEFT,
  },
  listening: { stopping: LEFT, stopped: LEFT },
};

/** The answer when `trigger` is refused in `state`. */
export function refusal(trigger: Trigger, state: State): Refusal {
  const legal = TRANSITIONS.filter((move) => move.trigger === trigger).map((move) => move.from);
  const advice = ADVICE[trigger]?.[state];
  const message = `${trigger} is refused in state ${state}, it is possible in ${legal.join(', ')}`;
  return { result: 'refused', trigger, state, message: advice === undefined ? message : `${message}: ${advice}` };
}
