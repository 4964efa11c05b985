/**
 * Oldest supported version: the first with all diagnostics channels that the plugin needs, and with TypeScript-free
 * `node:sqlite`.
 */
const OLDEST = [22, 19] as const;

/** One line about a Node.js that is too old; undefined when this one is supported. */
export function unsupportedNode(): string | undefined {
  const { node } = process.versions;
  const [major = 0, minor = 0] = node.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return undefined;
  return `LOSSLESS_NODE_UNSUPPORTED: expected Node.js ${OLDEST.join('.')} or later, received ${node}`;
}
