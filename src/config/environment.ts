import { asError } from '../errors.ts';
import { type Environment, VARIABLES, type Variable, type VariableName } from './variables.ts';

/** A problem of the environment. */
export interface Problem {
  /** One line: variable, value (never a secret one), rule. */
  readonly message: string;
  /** The plugin cannot run with this value. */
  readonly fatal: boolean;
}

/** The environment, unchecked. */
export type RawEnvironment = Readonly<Record<string, string | undefined>>;

/** Most characters of a bad value in a message. */
const SHOWN = 80;

/** Reads every variable of the table; bad values and misspelt names become problems, and bad ones take their default. */
export function readEnvironment(raw: RawEnvironment): { environment: Environment; problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const environment: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries(VARIABLES) as [VariableName, Variable<unknown>][]) {
    const text = raw[name];
    const given = text !== undefined && (variable.neverEmpty === true || text.trim() !== '');
    try {
      environment[name] = given ? variable.parse(text) : fallback(variable);
    } catch (thrown) {
      const shown = variable.secret ? 'its value' : JSON.stringify(withoutCredentials(text ?? '').slice(0, SHOWN));
      problems.push({
        message: `${name} ${asError(thrown).message}; received ${shown}`,
        fatal: name.startsWith('LOSSLESS_'),
      });
      environment[name] = fallback(variable);
    }
  }
  return { environment: environment as Environment, problems: [...problems, ...misspelt(raw)] };
}

/**
 * A bad value may be a URL with a password, or with a token in the wrong place, so everything before an `@` and after a `?` is
 * removed.
 */
function withoutCredentials(text: string): string {
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(text)?.[0] ?? '';
  const at = text.lastIndexOf('@');
  const [shown = '', query] = (at < 0 ? text : `${scheme}***${text.slice(at)}`).split('?', 2);
  return query === undefined ? shown : `${shown}?***`;
}

function fallback(variable: Variable<unknown>): unknown {
  return variable.default === undefined ? undefined : variable.parse(variable.default);
}

/** A name that begins with LOSSLESS_ and is not in the table has no effect: it is a mistake. */
function misspelt(raw: RawEnvironment): readonly Problem[] {
  return Object.keys(raw)
    .filter(
      (name) =>
        name.startsWith('LOSSLESS_') &&
        !(name in VARIABLES) &&
        !name.startsWith('LOSSLESS_TEST_') &&
        name !== 'LOSSLESS_REQUIRE_SERVERS',
    )
    .map((name) => ({
      message: `${name.slice(0, SHOWN)} is not a variable of lossless-lifecycle; did you mean ${nearest(name)}?`,
      fatal: false,
    }));
}

function nearest(text: string): string {
  const name = text.slice(0, SHOWN);
  const distance = (other: string): number => {
    let row = Array.from({ length: other.length + 1 }, (_, n) => n);
    for (let i = 1; i <= name.length; i++) {
      const next = [i];
      for (let j = 1; j <= other.length; j++)
        next.push(
          Math.min(
            (row[j] ?? 0) + 1,
            (next[j - 1] ?? 0) + 1,
            (row[j - 1] ?? 0) + (name[i - 1] === other[j - 1] ? 0 : 1),
          ),
        );
      row = next;
    }
    return row.at(-1) ?? 0;
  };
  return Object.keys(VARIABLES).reduce((best, other) => (distance(other) < distance(best) ? other : best));
}
