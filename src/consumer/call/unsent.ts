/**
 * Codes of failures before a connection stands; the last ones are of addresses that cannot be connected to. While nothing is
 * written they prove that the peer never saw the request, so any method may go to another instance. A failed certificate is not
 * among them: every instance has the same, and the application must see the error.
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

/** Most instances that one request tries, moves and refusals together. */
export const MOST_ATTEMPTS = 6;

/** Whether a request whose connection failed like this, before anything was written, can go to another instance. */
export function isUnsent(error: unknown): boolean {
  return BEFORE_CONNECTED.has((error as { code?: unknown } | null)?.code);
}
