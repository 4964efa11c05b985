/** Oldest version that is supported: the first with every diagnostics channel that is needed and with TypeScript-free `node:sqlite`. */
const OLDEST = [22, 19] as const;

/** What is wrong with the Node.js that runs this, in one line; undefined: nothing. */
export function unsupportedNode(): string | undefined {
  const { node } = process.versions;
  const [major = 0, minor = 0] = node.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return undefined;
  return `LOSSLESS_NODE_UNSUPPORTED: expected Node.js ${OLDEST.join('.')} or later, received ${node}`;
}
