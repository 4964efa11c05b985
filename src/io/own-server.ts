/** Marks a server of ours, whose requests are not the application's. */
const OWN = Symbol('lossless.own');

/** Takes `server` for one of ours: nobody looks for it or counts its requests. */
export function markOwn(server: object): void {
  Object.defineProperty(server, OWN, { value: true });
}

/** Whether a server is one of ours. */
export function isOwn(server: object): boolean {
  return OWN in server;
}
