/** Marks a server of the plugin, whose requests are not the application's. */
const OWN = Symbol('lossless.own');

/** Marks `server` as one of the plugin: it is not registered, and its requests are not counted. */
export function markOwn(server: object): void {
  Object.defineProperty(server, OWN, { value: true });
}

/** Whether a server belongs to the plugin. */
export function isOwn(server: object): boolean {
  return OWN in server;
}
