import { afterEach } from 'vitest';
import { Child } from './child.ts';

/** Starts children and ends them. */
export interface Children {
  /** As `Child.node`. */
  node(...parameters: Parameters<typeof Child.node>): Child;
  /** Runs any command. */
  run(...parameters: ConstructorParameters<typeof Child>): Child;
  /** Ends this child too. */
  add<T extends Pick<Child, 'destroy'>>(child: T): T;
  /** Ends all children before the end of the test. */
  destroy(): Promise<void>;
}

/** Children that the caller must end. */
export function newChildren(): Children {
  const children = new Set<Pick<Child, 'destroy'>>();
  const add: Children['add'] = (child) => {
    children.add(child);
    return child;
  };
  const destroy = async (): Promise<void> => {
    await Promise.all([...children].map((child) => child.destroy()));
    children.clear();
  };
  return {
    add,
    destroy,
    run: (...parameters) => add(new Child(...parameters)),
    node: (...parameters) => add(Child.node(...parameters)),
  };
}

/** Call once at the top of a test file: all children end after each test. */
export function useChildren(): Children {
  const children = newChildren();
  afterEach(children.destroy);
  return children;
}
