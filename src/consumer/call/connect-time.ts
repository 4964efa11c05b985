/**
 * How long a connection to an instance is waited for while another one can take the request, in milliseconds, whatever the
 * client: longer than it takes when the network lost the first packet, which Linux sends again after a second.
 */
export const CONNECT_MS = 1_200;
