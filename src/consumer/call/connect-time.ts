/**
 * Longest wait for a connection while another instance can take the request, in milliseconds, for every client. It is longer than
 * a second, after which Linux repeats a lost first packet.
 */
export const CONNECT_MS = 1_200;
