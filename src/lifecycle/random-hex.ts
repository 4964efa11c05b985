/** `bytes` random bytes in hexadecimal. */
export type RandomHex = (bytes: number) => string;

/**
 * For ids of traces and spans and for names of files. They must be unique, not secret, and the first use of `node:crypto` costs a
 * process 5 ms: OpenTelemetry makes ids in the same way.
 */
export const randomHex: RandomHex = (bytes) =>
  Array.from({ length: bytes }, () =>
    Math.trunc(Math.random() * 256)
      .toString(16)
      .padStart(2, '0'),
  ).join('');
