/**
 * Codes of failures that happen before a connection is there, the last ones of addresses that none can be made to. Where nothing was written yet they prove that the peer never
 * saw the request, so any method may go to another instance. A failed certificate is not among them: it is the same at
 * every instance and must be seen.
 */
const BEFORE_CONNECTED: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
  'EINVAL',
  'EACCES',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'ERR_INVALID_URL',
  'ERR_INVALID_IP_ADDRESS',
  'ERR_SOCKET_BAD_PORT',
]);

/** Most instances one request is given to, moves and refusals together. */
export const MOST_ATTEMPTS = 6;

/** Whether a request whose connection failed like this, before anything was written, can go to another instance. */
export function isUnsent(error: unknown): boolean {
  return BEFORE_CONNECTED.has((error as { code?: unknown } | null)?.code);
}
